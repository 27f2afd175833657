"""Our loss, head and schedules against lightly's (MIT), which follow the code of DINO's authors.

lightly is imported inside the tests: it imports torchvision, which `ctc_core._torch` must prepare first.
"""

import pytest

from ctc_core._torch import nn, torch
from ctc_core.encoder import dino
from ctc_core.encoder.plan import Plan, schedule

OUT, STEPS = 13, 40


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def heads():
    """Ours and lightly's with the same weights. lightly still uses torch's former `weight_norm`."""
    from lightly.models.modules.heads import DINOProjectionHead

    ours = dino.Head(out_dim=OUT, hidden=32, bottleneck=8)
    with pytest.warns(FutureWarning, match="weight_norm"):
        theirs = DINOProjectionHead(128, 32, 8, OUT, freeze_last_layer=1, norm_last_layer=True)
    weights = ours.mlp.state_dict()
    theirs.layers.load_state_dict(weights)
    theirs.last_layer.weight_g.data.copy_(ours.last.parametrizations.weight.original0)
    theirs.last_layer.weight_v.data.copy_(ours.last.parametrizations.weight.original1)
    return ours, theirs


def test_head(heads):
    x = torch.randn(5, 128)
    ours, theirs = (head(x) for head in heads)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_gradients_through_head_and_loss_and_what_stays_frozen(heads):
    from lightly.loss import DINOLoss

    ours, theirs = (head.double() for head in heads)
    views, teacher = torch.randn(7, 3, 128, dtype=torch.double), torch.randn(2, 3, OUT, dtype=torch.double)
    dino.dino_loss(ours(views.flatten(0, 1)).unflatten(0, (7, 3)), teacher, torch.zeros(OUT)).backward()
    DINOLoss(OUT)(list(teacher), [theirs(view) for view in views]).backward()
    pairs = [
        *zip(ours.mlp.parameters(), theirs.layers.parameters(), strict=True),
        (ours.last.parametrizations.weight.original1, theirs.last_layer.weight_v),
    ]
    for mine, other in pairs:
        assert mine.grad.abs().max() > 0
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-8, rtol=1e-6)
    assert (ours.last.parametrizations.weight.original0.grad, theirs.last_layer.weight_g.grad) == (None, None)
    ours.freeze_last()
    theirs.cancel_last_layer_gradients(current_epoch=0)
    assert (pairs[-1][0].grad, pairs[-1][1].grad) == (None, None)


def test_loss_and_centre_over_several_batches():
    from lightly.loss import DINOLoss

    theirs, centre = DINOLoss(OUT, warmup_teacher_temp_epochs=0), torch.zeros(OUT)
    for _ in range(4):
        student, teacher = torch.randn(7, 3, OUT), 1 + torch.randn(2, 3, OUT)
        expected = theirs(list(teacher), list(student))
        torch.testing.assert_close(dino.dino_loss(student, teacher, centre), expected, atol=1e-5, rtol=1e-6)
        centre = dino.update_centre(centre, teacher)
        torch.testing.assert_close(centre, theirs.center.flatten())
    assert centre.abs().max() > 0.1


def test_running_mean_of_the_teacher():
    from lightly.models.utils import update_momentum

    student, ours, theirs = (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)) for _ in range(3))
    theirs.load_state_dict(ours.state_dict())
    for step in range(3):
        momentum = dino.cosine(step, 3, 0.9, 1.0)
        dino.update_teacher(ours, student, momentum)
        update_momentum(student, theirs, momentum)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(("start", "end"), [(0.995, 1.0), (0.04, 0.4), (1e-3, 1e-6)], ids=["momentum", "decay", "rate"])
def test_cosine_schedules(start, end):
    """lightly's ends with the last of its steps, ours after it: N of our steps are N + 1 of theirs."""
    from lightly.utils.scheduler import cosine_schedule

    for step in range(STEPS + 1):
        expected = cosine_schedule(step, STEPS + 1, start, end)
        assert dino.cosine(step, STEPS, start, end) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_rate_and_decay_of_a_plan():
    from lightly.utils.scheduler import cosine_schedule, cosine_warmup_schedule

    plan = Plan(iterations=STEPS, warmup=7)
    for step in range(STEPS):
        rate = cosine_warmup_schedule(step, STEPS + 1, plan.learning_rate, plan.final_rate, 7, 0.0)
        decay = cosine_schedule(step, STEPS + 1, plan.weight_decay, plan.final_decay)
        assert schedule(plan, step) == pytest.approx((rate, decay), rel=1e-12)
