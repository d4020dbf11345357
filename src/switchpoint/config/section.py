"""What every section of switchpoint.toml has."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Price = Annotated[Decimal, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
OneOrSeveral = BeforeValidator(lambda value: value if isinstance(value, list) else [value])
"""One value may be given for a list of one; a union of both would tell every fault twice."""


class Section(BaseModel):
    """A section of the file: unknown keys are faults, and nothing changes after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)
