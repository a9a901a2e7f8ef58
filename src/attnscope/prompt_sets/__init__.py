"""Sets of prompts for studies: from templates, texts, tables and files, and those that come with attnscope."""

from attnscope.prompt_sets.factory import prompts
from attnscope.prompt_sets.prompt import Prompt, RandomTokens
from attnscope.prompt_sets.prompt_set import PromptSet

__all__ = ["Prompt", "PromptSet", "RandomTokens", "prompts"]
