"""A model of a module of Python, as a job has trained it."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Mapping, Sequence

import torch

from ebb.arrays import Tensors
from ebb.errors import NotFound, Refused
from ebb.torch import module_code, parameters
from ebb.torch.buffers import Buffers
from ebb.torch.data import seed_of, set_seeds, unseen

_FOLDERS_HINT = 'name the folder of the module: job.read_model(plugins=["FOLDER"])'


def model_of(
    job: str, about: Mapping[str, Any], values: Tensors, folders: Sequence[str]
) -> torch.nn.Module:
    """Returns the module with a job's values, in ``eval()``.

    about: what the export of the job says.
    folders: where the file of the module may lie.

    Raises NotFound if it lies in none, and Refused if it is not the one that
    was submitted.
    """
    module = about["module"]
    path = _found(module["file"], folders)
    with open(path, "rb") as file:
        text = file.read()
    if hashlib.sha256(text).hexdigest() != module["sha256"]:
        raise Refused(
            f"{path} is not what was submitted as job {job}: its text has changed",
            "put the file back as it was; job.state_dict() has the values without it",
        )
    labels = about.get("labels")
    of_data = None
    if labels is not None:
        classes = len(labels.get("classes", ()))
        of_data = {"features": about["features"]["count"], "classes": classes}
    with unseen():
        # Seeds as workers do, for what is drawn and not trained.
        set_seeds(seed_of(module["seed"]))
        code = module_code.loaded(f"ebb_model_{module['sha256'][:16]}", path, text)
        model = module_code.model_of(code, module["class"], module["options"], of_data)
    tables = {**parameters.tables_of(model), **Buffers(model).tables()}
    parameters.check_values(job, model, tables, values)
    with torch.no_grad():
        for name, tensor in tables.items():
            tensor.copy_(torch.from_numpy(values[name]).reshape(tensor.shape))
    return model.eval()


def _found(file: str, folders: Sequence[str]) -> str:
    if not folders:
        raise Refused(f"the model is a module, {file}, and its folder is not known", _FOLDERS_HINT)
    for folder in folders:
        allowed = os.path.realpath(folder)
        path = os.path.realpath(os.path.join(allowed, file))
        if os.path.commonpath([allowed, path]) == allowed and os.path.isfile(path):
            return path
    raise NotFound(f"{file} lies in none of {', '.join(folders)}", _FOLDERS_HINT)
