"""A model without weights, for tests of whatever talks to a session.

    session = Session([ModelEntry.loaded(FakeModel())])

`FakeModel` is what a session takes for a model (`attnscope.session.ModelLike`): its traces, sweeps and states are real ones,
small, made at once, and the same for the same text.
"""

from attnscope.testing.fake_model import FakeModel

__all__ = ["FakeModel"]
