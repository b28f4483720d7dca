"""E3: histograms of a torch model's gradients and parameters."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import json
import math
import pickle
import threading
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import stored

import nbtrack
from nbtrack import errors

torch = pytest.importorskip("torch")
nn = torch.nn

from nbtrack._gradients import counts as counting  # noqa: E402
from nbtrack._gradients import model as hooks  # noqa: E402


@pytest.fixture
def run():
    return nbtrack.init(project="p")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def two_layers():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


NAMES = ["0.bias", "0.weight", "2.bias", "2.weight"]
IMAGES = torch.linspace(-1, 1, 64).reshape(16, 4)


def backward(model, images=IMAGES):
    loss = model(images).square().mean()
    loss.backward()
    return loss.detach()


def rows(run):
    """Finish a run and give its rows by step, as they are read back."""
    run.finish()
    own = ("_step", "_runtime", "_timestamp")
    return {
        row["_step"]: {key: row[key] for key in row if key not in own}
        for row in stored(run).scan_history()
    }


def watched(run, kind="gradients"):
    """Give the names that each step has a histogram of."""
    start = f"{kind}/"
    names = {
        step: sorted(key[len(start) :] for key in row if key.startswith(start))
        for step, row in rows(run).items()
    }
    return {step: found for step, found in names.items() if found}


def total(row):
    return sum(row["counts"])


# -- what is recorded ------------------------------------------------------------------


def test_E3_gradients_are_histograms_under_their_parameters_names(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    backward(model)
    run.log({"loss": 1.0})
    run.finish()
    (row,) = stored(run).scan_history()
    for name, parameter in model.named_parameters():
        found = row[f"gradients/{name}"]
        gradient = parameter.grad.numpy()
        assert (found["_type"], found["nan"]) == ("histogram", 0)
        assert found.bins[0] == pytest.approx(gradient.min())
        assert found.bins[-1] == pytest.approx(gradient.max())
        assert (len(found.bins), sum(found.counts)) == (65, gradient.size)
        expected, _ = np.histogram(gradient, found.bins)
        # An element on an edge may fall to either side of it.
        assert np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max() <= 1
    assert row["loss"] == 1.0


def test_E3_a_histogram_joins_the_row_that_is_logged_next(run):
    model = two_layers()
    nbtrack.watch(model, log_freq=1)
    run.log({"before": 1})
    for _ in range(2):
        backward(model)
        run.log({"loss": 0.5})
        run.log({"after": 1})
    assert watched(run) == {1: NAMES, 3: NAMES}


def test_E3_it_joins_the_step_that_is_named(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    for step in (10, 20, 30):
        backward(model)
        run.log({"loss": 0.5}, step=step)
        run.log({"accuracy": 0.5}, step=step)
    assert watched(run) == {10: NAMES, 20: NAMES, 30: NAMES}


def test_E3_it_joins_a_row_that_is_still_open(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    backward(model)
    run.log({"a": 1}, commit=False)
    backward(model)
    run.log({"b": 1})
    run.log({"c": 1})
    found = rows(run)
    assert sorted(found) == [0, 1]
    assert {"a", "b", "gradients/0.bias"} <= found[0].keys()
    assert found[1] == {"c": 1}


def test_E3_what_no_log_follows_is_kept_at_finish(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    run.log({"loss": 1})
    backward(model)
    assert watched(run) == {1: NAMES}


def test_E3_of_several_passes_before_a_log_the_last_is_kept(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    backward(model)
    model.zero_grad()
    backward(model, IMAGES * 3)
    run.log({"loss": 1})
    found = rows(run)[0]["gradients/2.weight"]["packedBins"]
    assert found["min"] == pytest.approx(float(model[2].weight.grad.min()))


def test_E3_one_in_log_freq_passes_is_recorded_the_first_one_first(run):
    model = two_layers()
    run.watch(model, log_freq=3)
    for _ in range(8):
        backward(model)
        run.log({"loss": 0.5})
    assert watched(run) == {0: NAMES, 3: NAMES, 6: NAMES}


def test_E3_log_says_what_of_the_model():
    found = {}
    for log in ("gradients", "parameters", "all", None):
        run = nbtrack.init(project="p")
        model = two_layers()
        run.watch(model, log=log, log_freq=1)
        backward(model)
        run.log({"loss": 1})
        keys = {key.partition("/")[0] for key in rows(run)[0]}
        found[log] = sorted(keys - {"loss"})
    assert found == {
        "gradients": ["gradients"],
        "parameters": ["parameters"],
        "all": ["gradients", "parameters"],
        None: [],
    }


def test_E3_parameters_are_those_that_the_pass_used(run):
    model = nn.Linear(2, 1, bias=False)
    run.watch(model, log="parameters", log_freq=1)
    before = model.weight.detach().clone()
    backward(model, torch.ones(1, 2))
    with torch.no_grad():
        model.weight.add_(100)
    run.log({"loss": 1})
    found = rows(run)[0]["parameters/weight"]["packedBins"]
    assert found["min"] == pytest.approx(float(before.min()))


def test_E3_keys_of_further_models_begin_with_their_number(run):
    first, second, third = (nn.Linear(1, 1, bias=False) for _ in range(3))
    run.watch(first, log_freq=1)
    run.watch((second, third), log_freq=1)
    other = nn.Linear(1, 1, bias=False)
    run.watch(other, None, "gradients", 1, 7)  # W&B's order
    for model in (first, second, third, other):
        backward(model, torch.ones(1, 1))
    run.log({"loss": 1})
    names = ["graph_1weight", "graph_2weight", "graph_7weight", "weight"]
    assert watched(run) == {0: names}


def test_E3_a_key_of_the_users_own_is_not_overwritten(run):
    model = nn.Linear(1, 1)
    run.watch(model, log_freq=1)
    backward(model, torch.ones(1, 1))
    run.log({"gradients/weight": 7, "gradients/bias": math.nan})
    run.finish()
    (row,) = stored(run).scan_history()
    assert row["gradients/weight"] == 7
    assert math.isnan(row["gradients/bias"])


def test_E3_several_runs_may_watch_one_model():
    model = nn.Linear(1, 1)
    runs = [nbtrack.init(project="p", reinit="create_new") for _ in range(2)]
    for run in runs:
        run.watch(model, log_freq=1)
    backward(model, torch.ones(1, 1))
    for run in runs:
        run.log({"loss": 1})
    assert [watched(run) for run in runs] == [{0: ["bias", "weight"]}] * 2


# -- training is not changed -----------------------------------------------------------


def curve(watch):
    """Train a net with everything random in it; give its losses and its end."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(4 * 36, 10),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    if watch:
        nbtrack.watch(model, log="all", log_freq=1)
    losses = []
    for _ in range(12):
        images = torch.randn(32, 1, 8, 8)
        loss = nn.functional.cross_entropy(model(images), torch.randint(10, (32,)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if watch:
            nbtrack.log({"loss": loss})
        losses.append(loss.item())
    return losses, [value.numpy().tobytes() for value in model.state_dict().values()]


def test_E3_the_loss_curve_is_the_same_to_the_last_bit():
    expected = curve(watch=False)
    nbtrack.init(project="p")
    assert curve(watch=True) == expected


def test_E3_neither_gradients_nor_the_graph_are_kept(run):
    model = two_layers()
    run.watch(model, log="all", log_freq=1)
    alive = []

    class Seen(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            alive.append(weakref.ref(x))
            return x * 2

        @staticmethod
        def backward(_, gradient):
            alive.append(weakref.ref(gradient))
            return gradient * 2

    def step():
        loss = Seen.apply(model(IMAGES)).sum()
        alive.append(weakref.ref(loss))
        loss.backward()

    step()
    model.zero_grad(set_to_none=True)
    assert len(alive) == 3
    assert [one() for one in alive] == [None] * 3  # without the collector's help
    run.log({"loss": 1})


def test_E3_a_model_that_is_deleted_is_gone(run):
    model = two_layers()
    run.watch(model, log="all", log_freq=1)
    backward(model)
    run.log({"loss": 1})
    gone = weakref.ref(model), weakref.ref(model[0].weight)
    del model
    gc.collect()
    assert [one() for one in gone] == [None, None]
    run.log({"loss": 1})
    other = two_layers()
    run.watch(other, log_freq=1)
    run.unwatch()
    assert sorted(watched(run)) == [0]


def test_E3_parameters_that_outlive_their_module_do_no_harm(run):
    model = nn.Linear(1, 1, bias=False)
    weight = model.weight
    run.watch(model, log="all", log_freq=1)
    del model
    gc.collect()
    (weight * 2).sum().backward()
    run.log({"loss": 1})
    (weight * 2).sum().backward()
    run.log({"loss": 1})
    assert not run.faults


def test_E3_a_watched_model_is_copied_and_saved_as_before(run):
    model = two_layers()
    keys = list(model.state_dict())
    members = set(vars(model))
    run.watch(model, log="all", log_freq=1, log_graph=True)
    backward(model)
    assert list(model.state_dict()) == keys
    assert set(vars(model)) == members
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    others = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(file, weights_only=False),
    ]
    run.log({"loss": 1})
    for other in others:  # nobody watches them
        backward(other)
        run.log({"loss": 1})
    assert watched(run) == {0: NAMES}


def test_E3_gradients_are_those_of_each_pass_when_they_accumulate(run):
    model = nn.Linear(1, 1, bias=False)
    run.watch(model, log_freq=1)
    for factor in (1.0, 2.0, 4.0):
        (model(torch.ones(1, 1)) * factor).sum().backward()
        run.log({"loss": 1})
    seen = [row["gradients/weight"]["packedBins"]["min"] for row in rows(run).values()]
    assert [low + 0.5 for low in seen] == [1.0, 2.0, 4.0]
    assert model.weight.grad.item() == 7.0


def test_E3_evaluation_does_not_count(run):
    model = two_layers()
    run.watch(model, log="all", log_freq=2)
    for _ in range(4):
        backward(model)
        model.eval()
        with torch.no_grad():
            for _ in range(5):
                model(IMAGES)
        with torch.inference_mode():
            model(IMAGES)
        model.train()
        run.log({"loss": 1})
    assert sorted(watched(run, "parameters")) == [0, 2]


def test_E3_gradients_of_gradients_are_left_alone(run):
    """As of a gradient penalty: the graph of the backward pass goes on being usable."""

    def penalty(watch):
        torch.manual_seed(1)
        model = two_layers()
        if watch:
            run.watch(model, log_freq=1)
        images = IMAGES.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model(images).sum(), images, create_graph=True)
        (slope.square().sum() + model(images).sum()).backward(create_graph=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # create_graph makes cycles
            found = [p.grad.detach().clone() for p in model.parameters()]
            model.zero_grad(set_to_none=True)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = penalty(watch=False), penalty(watch=True)
    assert all(map(torch.equal, expected, found))
    run.log({"loss": 1})
    assert watched(run) == {0: NAMES}


@pytest.mark.parametrize("reentrant", [False, True])
def test_E3_checkpointed_layers_count_once(run, reentrant):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return torch.utils.checkpoint.checkpoint(
                self.second, self.first(x), use_reentrant=reentrant
            )

    import torch.utils.checkpoint

    model = Net()
    run.watch(model, log="all", log_freq=2)
    for _ in range(3):
        backward(model)
        run.log({"loss": 1})
    names = ["first.bias", "first.weight", "second.bias", "second.weight"]
    assert watched(run) == {0: names, 2: names}


# -- models of all kinds ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_E3_any_precision(run, dtype):
    model = nn.Linear(4, 3).to(dtype)
    run.watch(model, log="all", log_freq=1)
    backward(model, IMAGES.to(dtype))
    run.log({"loss": 1})
    row = rows(run)[0]
    assert total(row["gradients/weight"]) == total(row["parameters/weight"]) == 12


def test_E3_complex_gradients_are_shown_by_their_size(run):
    model = nn.Linear(2, 2, dtype=torch.complex64)
    run.watch(model, log_freq=1)
    model(torch.ones(1, 2, dtype=torch.complex64)).abs().sum().backward()
    run.log({"loss": 1})
    assert rows(run)[0]["gradients/weight"]["packedBins"]["min"] > 0


def test_E3_sparse_gradients_have_their_zeros_counted(run):
    model = nn.Embedding(1000, 2, sparse=True)
    run.watch(model, log_freq=1)
    model(torch.tensor([3, 3, 500])).sum().backward()
    assert model.weight.grad.is_sparse
    run.log({"loss": 1})
    found = rows(run)[0]["gradients/weight"]
    assert (found["counts"][0], total(found)) == (2000 - 4, 2000)
    assert found["packedBins"]["min"] == 0
    assert (found["counts"][32], found["counts"][-1]) == (2, 2)  # 1 and 2


def test_E3_what_is_not_finite_is_counted_apart(run):
    model = nn.Linear(4, 1, bias=False)
    run.watch(model, log_freq=1)
    factors = torch.tensor([[1.0, math.nan, math.inf, -2.0]])
    (model.weight * factors).sum().backward()
    run.log({"loss": 1})
    model.zero_grad()
    (model.weight * math.nan).sum().backward()
    run.log({"loss": 1})
    some, none = (row["gradients/weight"] for row in rows(run).values())
    assert (some["packedBins"]["min"], some["nan"], total(some)) == (-2.0, 2, 2)
    assert (none["nan"], total(none)) == (4, 0)


def test_E3_frozen_parameters_have_no_gradient_and_are_parameters_still(run):
    model = two_layers()
    model[0].requires_grad_(requires_grad=False)
    run.watch(model, log="all", log_freq=1)
    backward(model)
    run.log({"loss": 1})
    row = rows(run)[0]
    found = [sorted(k for k in row if k.startswith(w)) for w in ("grad", "par")]
    assert list(map(len, found)) == [2, 4]


def test_E3_layers_that_are_unfrozen_or_replaced_are_followed(run):
    model = two_layers()
    model[0].requires_grad_(requires_grad=False)
    run.watch(model, log_freq=1)
    backward(model)
    run.log({"loss": 1})
    model[0].requires_grad_()  # found when the row of a pass is logged
    backward(model)
    run.log({"loss": 1})
    model[2] = nn.Linear(8, 5, bias=False)
    for _ in range(2):
        backward(model)
        run.log({"loss": 1})
    assert list(watched(run).values()) == [
        ["2.bias", "2.weight"],
        ["2.bias", "2.weight"],
        ["0.bias", "0.weight"],
        ["0.bias", "0.weight", "2.weight"],
    ]


def test_E3_a_model_without_anything_to_train_is_said_to_be_one(run):
    model = nn.Linear(2, 2).requires_grad_(requires_grad=False)
    with pytest.warns(errors.NbtrackWarning, match="no parameter of this Linear"):
        run.watch(model, log="all")
    run.log({"loss": 1})
    assert watched(run, "parameters") == {0: ["bias", "weight"]}
    with pytest.warns(errors.NbtrackWarning, match="no parameter of this ReLU"):
        nbtrack.init(project="p", reinit="create_new").watch(nn.ReLU())


def test_E3_a_shared_parameter_is_one(run):
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    run.watch(model, log="all", log_freq=2)
    for _ in range(3):
        backward(model, torch.ones(1, 3))
        run.log({"loss": 1})
    assert watched(run) == {0: ["0.weight"], 2: ["0.weight"]}


def test_E3_a_parameter_that_is_used_now_and_then_is_recorded_when_it_is(run):
    model = nn.ModuleList([nn.Linear(1, 1, bias=False) for _ in range(2)])
    run.watch(model, log_freq=10)
    for step in range(14):
        expert = model[1] if step in (4, 5) else model[0]
        backward(expert, torch.ones(1, 1))
        run.log({"loss": 1})
    assert watched(run) == {0: ["0.weight"], 4: ["1.weight"], 12: ["0.weight"]}


def test_E3_lazy_modules_are_watched_once_they_know_their_shape(run):
    model = nn.Sequential(nn.LazyLinear(3))
    run.watch(model, log="all", log_freq=1, log_graph=True)
    for _ in range(2):
        backward(model)
        run.log({"loss": 1})
    assert watched(run) == {1: ["0.bias", "0.weight"]}
    assert not run.faults


def test_E3_a_parameter_of_no_elements_has_no_histogram(run):
    model = nn.Linear(2, 2)
    model.register_parameter("empty", nn.Parameter(torch.ones(0)))
    run.watch(model, log="all", log_freq=1)
    (model(torch.ones(1, 2)).sum() + model.empty.sum()).backward()
    run.log({"loss": 1})
    assert watched(run, "parameters") == {0: ["bias", "weight"]}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_E3_compiled_models(run, backend, when):
    model = two_layers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its parts
        compiled = torch.compile(model, backend=backend)
        run.watch(model if when == "before" else compiled, log="all", log_freq=2)
        for _ in range(3):
            backward(compiled)
            run.log({"loss": 1})
        torch.compiler.reset()
    found = rows(run)
    names = [f"{kind}/{n}" for kind in ("gradients", "parameters") for n in NAMES]
    assert sorted(found[0]) == sorted(found[2]) == sorted([*names, "loss"])
    assert list(found[1]) == ["loss"]


def test_E3_a_backward_pass_that_is_being_compiled_is_left_alone(run, monkeypatch):
    """As by torch's compiled autograd: hooks are traced, and nothing has values."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    model = two_layers()
    run.watch(model, log="all", log_freq=1)
    backward(model)
    run.log({"loss": 1})
    assert watched(run) == watched(run, "parameters") == {}


def test_E3_the_names_are_without_those_of_wrappers(run):
    model = nn.DataParallel(two_layers())
    run.watch(model, log="all", log_freq=1)
    backward(model)
    run.log({"loss": 1})
    assert watched(run) == {0: NAMES}


def test_E3_a_module_that_is_called_as_a_wrapper_is_keeps_its_name():
    model = nn.Module()
    model.module, model._orig_mod = nn.Linear(1, 1), nn.Linear(1, 1)
    model.weight = nn.Parameter(torch.ones(1))
    assert [name for name, _ in hooks.named(model)] == [
        *("weight", "module.weight", "module.bias"),
        *("_orig_mod.weight", "_orig_mod.bias"),
    ]


def test_E3_gradients_that_are_asked_for_by_name_count_too(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    torch.autograd.grad(model(IMAGES).sum(), list(model.parameters()))
    run.log({"loss": 1})
    assert watched(run) == {0: NAMES}


def test_E3_moving_a_model_keeps_its_hooks(run):
    model = two_layers()
    run.watch(model, log_freq=1)
    model.double()
    backward(model, IMAGES.double())
    run.log({"loss": 1})
    assert watched(run) == {0: NAMES}


# -- watching once, unwatching ---------------------------------------------------------


def test_E3_a_model_is_watched_once_by_a_run(run):
    model = two_layers()
    run.watch(model)
    for again in (model, [two_layers(), model], nn.DataParallel(model)):
        with pytest.raises(errors.WatchError, match="is watched by this run already"):
            run.watch(again)
    other = two_layers()
    with pytest.raises(ValueError, match="once"):
        run.watch([other, other])
    assert all(p._backward_hooks is None for p in other.parameters())


def test_E3_the_cell_that_watches_can_be_run_again():
    model = two_layers()
    found = []
    for _ in range(2):
        run = nbtrack.init(project="p", reinit="finish_previous")
        nbtrack.watch(model, log_freq=1)
        backward(model)
        nbtrack.log({"loss": 1})
        found.append(run)
    assert [watched(run) for run in found] == [{0: NAMES}] * 2
    assert not any(p._backward_hooks for p in model.parameters())


def test_E3_unwatch_ends_it(run):
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)
    run.watch([first, second], log_freq=1)

    def step():
        for model in (first, second):
            backward(model, torch.ones(1, 1))
        run.log({"loss": 1})

    step()
    run.unwatch(first)
    step()
    nbtrack.unwatch([second])
    step()
    run.watch(first, log_freq=1)
    step()
    nbtrack.unwatch()
    step()
    found = watched(run)
    assert sorted(found) == [0, 1, 3]
    assert found[1] == ["graph_1bias", "graph_1weight"]


def test_E3_what_is_not_watched_cannot_be_unwatched(run):
    run.unwatch()
    with pytest.warns(errors.NbtrackWarning, match="this Linear is not watched"):
        run.unwatch(nn.Linear(1, 1))
    with pytest.raises(errors.WatchError, match="not builtins"):
        run.unwatch(3)


def test_E3_log_is_short_again_after_a_histogram(run):
    model = nn.Linear(1, 1)
    run.log({"loss": 0.5})
    assert run._known is run._checked
    run.watch(model, log_freq=2)
    for _ in range(3):
        backward(model, torch.ones(1, 1))
        run.log({"loss": 0.5})
        assert run._known is run._checked


def test_E3_a_finished_run_watches_nothing(run):
    run.finish()
    with pytest.raises(errors.RunFinishedError):
        run.watch(nn.Linear(1, 1))


def test_E3_a_disabled_run_sets_no_hooks():
    run = nbtrack.init(project="p", mode="disabled")
    model = two_layers()
    run.watch(model, log="all", log_freq=1, log_graph=True)
    assert all(p._backward_hooks is None for p in model.parameters())
    with pytest.raises(errors.WatchError):
        run.watch(3)
    run.unwatch()


def test_E3_threads_may_train_and_log_at_once(run):
    model = nn.Linear(1, 1)
    run.watch(model, log_freq=1)
    stop = threading.Event()

    def log():
        while not stop.is_set():
            run.log({"other": 1})

    logger = threading.Thread(target=log)
    logger.start()
    for _ in range(50):
        backward(model, torch.ones(1, 1))
    stop.set()
    logger.join()
    assert not run.faults
    assert watched(run)


# -- misuse and faults -----------------------------------------------------------------


def test_E3_before_init_it_says_so():
    for call in (lambda: nbtrack.watch(nn.Linear(1, 1)), nbtrack.unwatch):
        with pytest.raises(errors.NotInitializedError, match=r"nbtrack\.\w*watch"):
            call()


class Keras:
    pass


Keras.__module__ = "keras.src.models"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, r"takes a torch.nn.Module or a list of them, not builtins.int"),
        (nn.Linear, r"not the class Linear. Make one of it: Linear\(\)"),
        ([], "not builtins.list"),
        ([nn.Linear(1, 1), "x"], "not builtins.str"),
        (None, "not builtins.NoneType"),
        ({"model": nn.Linear(1, 1)}, "not builtins.dict"),
        (Keras(), "not keras.src.models.Keras. Log what you want to follow from a"),
    ],
    ids=repr,
)
@pytest.mark.usefixtures("run")
def test_E3_what_is_no_module_is_refused(given, told):
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=told):
            nbtrack.watch(given)


@pytest.mark.parametrize(
    "options",
    [
        {"log": "everything"},
        {"log_freq": 0},
        {"log_freq": 2.5},
        {"log_freq": True},
        {"idx": -1},
        {"idx": "a"},
    ],
    ids=str,
)
def test_E3_options_that_mean_nothing_are_refused(run, options):
    with pytest.raises(errors.SettingError, match=next(iter(options))):
        run.watch(nn.Linear(1, 1), **options)


def test_E3_a_fault_in_counting_does_not_end_the_training(run, monkeypatch):
    def fail(_):
        msg = "no kernel"
        raise RuntimeError(msg)

    monkeypatch.setattr(hooks, "counted", fail)
    model = nn.Linear(1, 1, bias=False)
    run.watch(model, log_freq=1)
    with pytest.warns(errors.NbtrackWarning, match=r"gradients/weight could not be"):
        backward(model, torch.ones(1, 1))
    backward(model, torch.ones(1, 1))
    run.log({"loss": 1})
    assert [fault.count for fault in run.faults] == [2]
    assert watched(run) == {}


def test_E3_strict_mode_raises_where_the_gradient_is():
    run = nbtrack.init(project="p", strict=True)
    model = nn.Linear(1, 1)
    run.watch(model, log_freq=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hooks, "counted", lambda _: 1 / 0)
        with pytest.raises(errors.StrictError):
            backward(model, torch.ones(1, 1))


def test_E3_a_device_that_fails_costs_the_counts_only(run, monkeypatch):
    monkeypatch.setattr(counting, "fetched", lambda _: 1 / 0)
    model = nn.Linear(1, 1)
    run.watch(model, log_freq=1)
    backward(model, torch.ones(1, 1))
    with pytest.warns(errors.NbtrackWarning, match="counts are lost"):
        run.log({"loss": 1})
    backward(model, torch.ones(1, 1))
    assert rows(run)[0] == {"loss": 1}


# -- the model's structure -------------------------------------------------------------


def test_E3_log_graph_stores_what_the_model_consists_of(run):
    nbtrack.watch(two_layers(), log=None, log_graph=True)
    nbtrack.watch(nn.Linear(1, 1), log=None, log_graph=True)
    run.finish()
    read = stored(run)
    shown = dict(read.summary["graph_0"])
    assert (shown["_type"], shown["class"]) == ("graph-file", "Sequential")
    assert (shown["modules"], shown["parameters"]) == (3, 67)
    graph = json.loads(Path(run.dir, shown["path"]).read_text())
    assert graph["text"] == repr(two_layers())
    assert graph["nodes"][0] == {
        "name": "0",
        "class_name": "Linear",
        "parameters": [["weight", [8, 4]], ["bias", [8]]],
        "num_parameters": 40,
    }
    assert read.summary["graph_1"]["parameters"] == 2


def test_E3_a_model_that_cannot_be_described_is_watched_all_the_same(run):
    class Odd(nn.Linear):
        def __repr__(self):
            msg = "odd"
            raise RuntimeError(msg)

    model = Odd(1, 1)
    with pytest.warns(errors.NbtrackWarning, match="graph_0 could not be stored"):
        run.watch(model, log_freq=1, log_graph=True)
    backward(model, torch.ones(1, 1))
    run.log({"loss": 1})
    assert watched(run) == {0: ["bias", "weight"]}


# -- counting --------------------------------------------------------------------------

SINGLE = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(values=st.lists(SINGLE, min_size=1, max_size=40), zeros=st.sampled_from([0, 5]))
def test_E3_counts_are_of_all_elements_on_any_device(values, zeros):
    array = np.array(values, dtype=np.float32)
    finite = array[np.isfinite(array)].astype(float)
    tensor = torch.tensor(array)
    here = counting._on_cpu(tensor, zeros)
    there = counting._of_list(counting._on_device(tensor, zeros).tolist())
    for found in (here, there):
        assert sum(found.counts) == len(finite) + zeros
        assert found.nan == len(array) - len(finite)
        if len(finite) + zeros:
            ends = [*finite, *[0.0] * bool(zeros)]
            assert (found.low, found.high) == (min(ends), max(ends))
        packed = found.to_row()["packedBins"]
        edges = [packed["min"] + i * packed["size"] for i in range(65)]
        assert all(map(math.isfinite, edges))
        assert edges == sorted(edges)
    moved = np.abs(np.cumsum(here.counts) - np.cumsum(there.counts)).max()
    assert moved <= len(finite) + zeros
    counting.fetched({"a": here})


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=60, unique=True))
def test_E3_counts_agree_with_numpy_away_from_edges(values):
    tensor = torch.tensor(values, dtype=torch.float64)
    here = counting._on_cpu(tensor, 0)
    there = counting._of_list(counting._on_device(tensor, 0).tolist())
    edges = np.linspace(min(values), max(values), 65)
    inner = [v for v in values if np.abs(edges[1:-1] - v).min() > 1e-6]
    expected, _ = np.histogram(values, edges)
    if len(inner) == len(values):
        assert here.counts == there.counts == expected.tolist()


def test_E3_large_tensors_are_counted_in_blocks(monkeypatch):
    monkeypatch.setattr(counting, "_BLOCK", 7)
    tensor = torch.arange(100.0)
    tensor[50] = math.nan
    here = counting._on_cpu(tensor, 0)
    there = counting._of_list(counting._on_device(tensor, 0).tolist())
    assert here == there
    assert (here.low, here.high, sum(here.counts), here.nan) == (0, 99, 99, 1)


def test_E3_tensors_of_other_kinds_are_counted_or_passed_over():
    rows_, columns = torch.tensor([0, 2, 3]), torch.tensor([0, 1, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: these are a beta
        sparse = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (3, 3))
        compressed = torch.sparse_csr_tensor(rows_, columns, torch.ones(3))
    assert counting.counted(sparse).counts[-1] == 1  # 1 and 2 at one place are 3
    assert sum(counting.counted(compressed).counts) == 4
    assert counting.counted(torch.ones(2, device="meta")) is None
    assert counting.counted(torch.ones(0)) is None
    assert counting.counted(torch.tensor(2.0)).low == 2.0
    assert counting.counted(torch.tensor([True, False])).high == 1
    assert counting.counted(torch.arange(10, dtype=torch.int8)[::2]).high == 8


def test_E3_on_a_device_a_pass_is_fetched_at_once(run, monkeypatch):
    """What a GPU is given to do; here a CPU does it."""
    monkeypatch.setattr(
        hooks, "counted", lambda t: counting._on_device(t.detach().reshape(-1), 0)
    )
    model = two_layers()
    run.watch(model, log="all", log_freq=1)
    backward(model)
    assert all(isinstance(one, torch.Tensor) for one in run._watched._waiting.values())
    run.log({"loss": 1})
    row = rows(run)[0]
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    for kind, (name, size) in itertools.product(
        ("gradients", "parameters"), sizes.items()
    ):
        assert total(row[f"{kind}/{name}"]) == size


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_E3_on_a_gpu_counts_are_those_of_a_cpu(run):
    model = two_layers().cuda()
    torch.use_deterministic_algorithms(mode=True)
    try:
        run.watch(model, log="all", log_freq=1)
        backward(model, IMAGES.cuda())
        run.log({"loss": 1})
    finally:
        torch.use_deterministic_algorithms(mode=False)
    row = rows(run)[0]
    for name, parameter in model.named_parameters():
        expected = counting.counted(parameter.grad.cpu()).to_row()
        found = row[f"gradients/{name}"]
        assert found["packedBins"]["min"] == expected["packedBins"]["min"]
        assert total(found) == total(expected)
