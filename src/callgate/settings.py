"""The base of every settings class: typed, frozen, and unknown keys are errors."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """One block of callgate.yaml."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # it may have come from a secret
        defer_build=True,  # a block that nobody configures needs no validator of its own
    )
