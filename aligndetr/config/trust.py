"""What a config may do that comes as data: a yaml file, or what a checkpoint or export holds.

A .py config is code, and whoever runs it trusts it. One that comes as data may be anybody's, so it
calls only what is listed here. A module that is not of the known packages is not even imported to
look at it. docs/configs.md says what trust means.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from aligndetr.config.consent import is_remembered
from aligndetr.config.import_names import import_path, locate
from aligndetr.config.moved import MOVED
from aligndetr.config.nodes import TARGET, entries, is_name, join, to_plain
from aligndetr.errors import ConfigError, UntrustedConfigError

# All that these export may be called.
_PARTS = (
    "aligndetr.criterions",
    "aligndetr.data.augmentation",
    "aligndetr.layers",
    "aligndetr.matchers",
    "aligndetr.modeling",
    "aligndetr.modeling.backbone",
)
# Of these any nn.Module; those of torch.jit, torch.fx or transformers read files, code or the hub.
_MODULES = (
    *_PARTS,
    "aligndetr.projects",
    "detectron2.layers",
    "detectron2.modeling",
    "fvcore.nn",
    "torch.nn",
    "torchvision.models",
    "torchvision.ops",
)
_NAMED = {
    f"{module}.{name}"
    for module, names in {
        "aligndetr.analysis": "AnalysisEvaluator",
        "aligndetr.data": "ClassBalanced DetrMapper RepeatFactor Stage build_test_loader"
        " build_train_loader load_dataset",
        "aligndetr.engine.layer_decay": "LayerwiseDecay",
        "aligndetr.engine.lr_schedule": "OneCycleParamScheduler WarmupParamScheduler",
        "aligndetr.engine.optimizer": "parameter_groups",
        "aligndetr.evaluation": "AlignmentEvaluator COCOEvaluator DatasetEvaluators LVISEvaluator",
        "builtins": "dict",
        "fvcore.common.param_scheduler": "ConstantParamScheduler CosineParamScheduler"
        " ExponentialParamScheduler LinearParamScheduler MultiStepParamScheduler"
        " PolynomialDecayParamScheduler StepParamScheduler StepWithFixedGammaParamScheduler",
        "torch": "bfloat16 float16 float32 float64",
        "torch.nn.functional": "elu gelu glu hardswish leaky_relu mish relu relu6 silu softplus",
        "torch.optim": "ASGD Adadelta Adagrad Adam AdamW Adamax NAdam RAdam RMSprop SGD",
    }.items()
    for name in names.split()
}
# Where a name is looked up, which imports, to see whether it stands for one of those above.
_LOOKED_INTO = tuple(
    f"{package}."
    for package in (*_MODULES, "aligndetr", "fvcore.common.param_scheduler", "torch.optim")
)
_REMEDY = (
    "docs/configs.md says what a config that comes as data may do. If you trust its author:"
    " --trust-config, or trust_config=True in Python"
)


def check_trust(config: object, source: str | Path) -> None:
    """Refuse a config that comes as data and does more than such a config may.

    Args:
        config: a config or plain data; nothing in it is called.
        source: where it comes from, for the message.

    Raises:
        UntrustedConfigError: it names what is not listed, uses a resolver, or has checkpoints read
            that may run code; and no training of this user, on this machine, had the same config.
        ConfigError: it names what is listed, but is not installed.
    """
    plain = to_plain(config)
    try:
        found = list(_unlisted(plain, ""))
    except ConfigError as error:
        raise type(error)(f"{source}: {error}") from error
    if found and not is_remembered(plain):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UntrustedConfigError(f"{source}: {found[0]}{more}; {_REMEDY}")


def needs_trust(config: object) -> bool:
    """Whether a config, however it came here, would be refused if it came as data."""
    try:
        return any(True for _ in _unlisted(to_plain(config), ""))
    except ConfigError:
        return True


def may_call(name: str) -> bool:
    """Whether a config that comes as data may name this function or class.

    Of packages that are not installed it may name anything; only using that is an error.

    Raises:
        ConfigImportError: a known package has no such name.
    """
    return _why_not(name) is None


def _why_not(name: str) -> str | None:
    name = MOVED.get(name, name)
    package = name.partition(".")[0]
    if _is_absent(package):  # nothing will be imported; a dialect may offer its own
        return None
    if name in _NAMED or (name.startswith(_LOOKED_INTO) and "._" not in name):
        if _is_of_working_folder(package):
            return "which would be imported from the working folder"
        if name in _NAMED or _is_part(locate(name)):
            return None
    return "which is not on the list of known parts"


def _unlisted(value: object, path: str) -> Iterator[str]:
    """What plain data does that it may not, as the begin of a sentence."""
    if isinstance(value, dict):
        yield from _calls(value, path)
    elif isinstance(value, str) and _has_resolver(value):
        yield f"{path}: {value[:80]!r} has a function of OmegaConf called"
    for key, item in entries(value) if isinstance(value, (dict, list)) else ():
        yield from _unlisted(item, join(path, key))


def _calls(node: dict, path: str) -> Iterator[str]:
    target = node["name"] if is_name(node) else node.get(TARGET)
    if isinstance(target, str) and target != "???":
        try:
            reason = _why_not(target)
        except ConfigError as error:
            raise type(error)(f"{path or 'config'}: {error}") from error
        if reason:
            yield f"{path or 'config'} names {target[:80]!r}, {reason}"
    if node.get("trust_checkpoint"):
        yield f"{join(path, 'trust_checkpoint')} lets checkpoints run code"


def _is_part(found: object) -> bool:
    """Whether an object is listed, under whatever name it was found, or is a known nn.Module."""
    if import_path(found) in _NAMED:
        return True
    for name in _PARTS:
        part = import_module(name)
        if any(found is getattr(part, exported) for exported in part.__all__):
            return True
    from torch import nn

    home = f"{getattr(found, '__module__', '')}."
    is_module = isinstance(found, type) and issubclass(found, nn.Module)
    return is_module and home.startswith(tuple(f"{package}." for package in _MODULES))


def _is_absent(package: str) -> bool:
    """Whether there is nothing of that name to import; looking does not import."""
    try:
        return package.isidentifier() and importlib.util.find_spec(package) is None
    except ValueError:  # `__main__` and its like are there, but came from no file
        return False


def _is_of_working_folder(package: str) -> bool:
    """Whether an import would take a package from the folder in which the command is run.

    `python -m aligndetr` looks there first, and who unpacks a config may unpack modules beside it.
    """
    if package in sys.modules:
        return False
    spec = importlib.util.find_spec(package)
    if spec is None:
        return False
    places = spec.submodule_search_locations or [spec.origin or ""]
    return any(Path(place).resolve().parent == Path.cwd() for place in places)


def _has_resolver(text: str) -> bool:
    """Whether an interpolation in a text is a call such as `${oc.create:...}`, at any depth."""
    depth = 0
    for position, letter in enumerate(text):
        if letter == "{" and text[position - 1 : position] == "$":
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        elif letter == ":" and depth:
            return True
    return False
