"""Our package under the module paths of the published one (`ucid.core.*`): a pytest plugin for its own tests."""

import sys
from types import ModuleType

import ucid
from ucid import cities, contexts, errors


def module(name, **members):
    made = ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made
    return made


# The published models are pydantic's; ours raise their own errors, and AttributeError for an assignment.
module("pydantic", ValidationError=(errors.UCIDValidationError, AttributeError))
core = {
    "errors": {name: getattr(errors, name) for name in errors.__all__},
    "models": {"UCID": ucid.UCID, "City": cities.City},
    "parser": {name: getattr(ucid, name) for name in ("create_ucid", "parse_ucid", "canonicalize")},
    "constants": {"VALID_GRADES": frozenset(contexts.grade_of(score) for score in range(101))},
}
ucid.core = module("ucid.core", **{name: module(f"ucid.core.{name}", **members) for name, members in core.items()})
