"""Workspaces: several traces and what was done with them, in one file."""

from attnscope.workspace.workspace import Workspace

__all__ = ["Workspace"]
