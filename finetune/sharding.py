"""One model cut up over processes (FSDP2), for models that a single GPU cannot hold.

Cut up are the frozen weights of the language layers, nearly all of the model: each process keeps its part of every
layer, and a layer is whole in a process only while it computes. What is trained stays whole in every process, as do
the towers (freed once the cache is filled), embeddings and head. So the adapter, its optimiser and its files are the
same as under DDP or in one process, its weights may have another type than the frozen ones, and a run may go on with
another number of processes or none of this.

Each forward asks all processes for their parts: all have to run the same number of them, in training and in asking.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from finetune.model import add_lora, attention, load_thinker, weight_type
from finetune.recipe import Recipe
from infer.checkpoint import Checkpoint

Item = TypeVar("Item")
# What accelerate calls the ways of running that work here: one process, DDP, FSDP.
LEGAL = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")


def is_cut(accelerator: Any) -> bool:
    """Whether the model is cut up over processes."""
    # As `accelerate launch` says it: on CPUs accelerate has no type of its own for it.
    return bool(accelerator.num_processes > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true")


def check_sharing(accelerator: Any, recipe: Recipe) -> None:
    """Raises ValueError for ways of running over several processes that do not work here."""
    ways = "take finetune/launch/ddp.yaml (each process holds the whole model) or finetune/launch/fsdp.yaml (cut up)"
    if accelerator.distributed_type.value not in LEGAL:
        raise ValueError(f"accelerate is set to {accelerator.distributed_type.value}, which is not supported; {ways}")
    if not is_cut(accelerator):
        return
    if os.environ.get("FSDP_VERSION", "1") != "2" or os.environ.get("FSDP_OFFLOAD_PARAMS", "").lower() == "true":
        raise ValueError(
            f"accelerate is set to FSDP with fsdp_version 1 or fsdp_offload_params: legal is neither; {ways}"
        )
    if recipe.model.quantise != "none":
        raise ValueError(f"model.quantise {recipe.model.quantise!r}: packed weights cannot be cut up (FSDP); {ways}")


def load_model(checkpoint: Checkpoint, recipe: Recipe, accelerator: Any) -> Any:
    """The PEFT model with a fresh adapter on the thinker of a checkpoint, on this process's device, whole or cut up.

    A model that is cut up goes through the memory of the machine, whole, one process of a machine after the other.
    """
    if not is_cut(accelerator):
        return add_lora(load_thinker(checkpoint, recipe.model, accelerator.device), recipe)
    from accelerate.utils import disable_fsdp_ram_efficient_loading

    disable_fsdp_ram_efficient_loading()  # it would leave the weights out in all processes but the first
    kind = accelerator.device.type
    settled: dict[str, Any] = {
        "dtype": str(weight_type(recipe.model, kind)).removeprefix("torch."),
        "attention": attention(recipe.model, kind),
    }
    part = dataclasses.replace(recipe.model, **settled)
    mesh = _mesh(accelerator)
    model = None
    for turn in range(_most(accelerator.local_process_index, accelerator) + 1):
        if turn == accelerator.local_process_index:
            model = add_lora(load_thinker(checkpoint, part, "cpu"), recipe)
            _cut(model, mesh, accelerator.device)
        accelerator.wait_for_everyone()
    return model


def same_everywhere(parameters: Sequence[Any], accelerator: Any) -> None:
    """Gives the weights of the first process to all: from here on equal gradients keep them equal."""
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast

        broadcast([each.data for each in parameters])


def sum_gradients(parameters: Sequence[Any], accelerator: Any) -> None:
    """Adds up the gradients of all processes, in each of them."""
    if accelerator.num_processes > 1:
        for parameter, total in zip(parameters, accelerator.reduce([each.grad for each in parameters]), strict=True):
            parameter.grad = total


def own_share(items: Sequence[Item], accelerator: Any) -> list[Item]:
    """This process's items. Where the model is cut up all processes get the same number: those that would have one
    less get one of the first items again."""
    own = list(items[accelerator.process_index :: accelerator.num_processes])
    if is_cut(accelerator):
        own += items[: -(-len(items) // accelerator.num_processes) - len(own)]
    return own


def together(accelerator: Any) -> Callable[[bool], bool]:
    """A function that tells whether something holds for any process whose forwards count: for this one, or, where the
    model is cut up, for any. All processes have to call it the same number of times."""
    return partial(anywhere, accelerator=accelerator) if is_cut(accelerator) else bool


def anywhere(own: bool, accelerator: Any) -> bool:
    """Whether something holds in any process."""
    return bool(_most(int(own), accelerator)) if accelerator.num_processes > 1 else own


def _most(number: int, accelerator: Any) -> int:
    """The greatest of the processes' numbers."""
    import torch

    return int(accelerator.reduce(torch.tensor(number, device=accelerator.device), "max").item())


def _mesh(accelerator: Any) -> Any:
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(accelerator.device.type, (accelerator.num_processes,))


def _cut(model: Any, mesh: Any, device: Any) -> None:
    """Leaves this process its part of the frozen language layers, and moves everything else to the device."""
    from torch.distributed.fsdp import fully_shard

    language = model.get_base_model().model
    frozen = {each for layer in language.layers for each in layer.parameters() if not each.requires_grad}
    whole = {each for each in model.parameters() if each not in frozen}
    for tensor in itertools.chain(whole, model.buffers()):
        tensor.data = tensor.data.to(device)
    for layer in language.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    # It has no weights of its own left; as the outermost it times the exchange of its layers.
    fully_shard(language, mesh=mesh, ignored_params=whole)
