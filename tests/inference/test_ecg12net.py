import pytest
import torch
from torch import nn

from inference.ecg12net import ECG12Net, EMPNet, LeadBlock, censor, join

SEPARATE, SHARED = {"shared": False}, {"shared": True}


def on_meta(**how) -> ECG12Net:
    with torch.device("meta"):
        return ECG12Net(**how)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def settled(network: nn.Module) -> nn.Module:
    """Batch norms as if trained: no mean is 0, no variance 1."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
            nn.init.normal_(part.weight, 1, 0.2)
            nn.init.normal_(part.bias, 0, 0.2)
    return network.eval()


def test_a_lead_block_has_80_layers_with_its_output_and_864_features():
    with torch.device("meta"):
        block = LeadBlock()
    convolutions = sum(isinstance(part, nn.Conv1d) for part in block.modules())
    assert convolutions == 1 + 3 * (5 + 21)
    assert convolutions + 1 == 80
    assert block.features == 864


def test_with_the_lead_attention_s_two_a_lead_passes_82_layers():
    network = on_meta()
    a_lead = [part for part in network.block.modules() if isinstance(part, nn.Conv1d)]
    assert {part.groups for part in a_lead} == {12}
    outside = {
        name: tuple(parameter.shape)
        for name, parameter in network.named_parameters()
        if parameter.ndim == 3 and not name.startswith("block.")
    }
    assert outside == {
        "head.weight": (12, 864, 1),
        "attention.reduce": (12, 864, 8),
        "attention.score.weight": (12, 8, 1),
    }
    assert len(a_lead) + len(outside) == 82


def test_ecg12net_2_adds_two_hidden_layers_on_eight_emps_each_with_its_not_known():
    added = parameters(on_meta(emps=True)) - parameters(on_meta())
    assert added == (2 * 8 * 32 + 32) + (32 * 32 + 32) + (32 + 1)


@pytest.mark.parametrize("missing", [(1,), (5, 1), tuple(range(8))])
def test_ecg12net_2_answers_and_learns_with_emps_missing(missing):
    torch.manual_seed(0)
    network = ECG12Net(width=1, shared=True, emps=True)
    emps = torch.tensor([[80.0, 160, 95, 390, 430, 45, 30, 45]]).repeat(4, 1)
    emps[:, missing] = torch.nan
    whole = network(torch.randn(4, 12, 1024), emps)[0]
    whole.square().sum().backward()
    assert whole.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_channels_grow_as_worked_out_and_lengths_halve():
    with torch.device("meta"):
        block = LeadBlock()
        shapes = []
        for stage in block.stages:
            stage[0].register_forward_pre_hook(lambda _, x: shapes.append(x[0].shape[1:]))
            stage[0].register_forward_hook(lambda _, x, y: shapes.append((x[0].shape[1] + y.shape[1], y.shape[2])))
        features = block(torch.empty(2, 1, 1024))
    channels = [32, 64, 160, 192, 288, 320, 512, 544, 736, 768]
    lengths = [512, 256, 256, 128, 128, 64, 64, 32, 32, 16]
    assert [tuple(s) for s in shapes] == list(zip(channels, lengths, strict=True))
    assert features.shape == (2, 864)


@pytest.mark.parametrize(
    ("how", "count"),
    [
        ({"shared": False, "ordinal": True}, 34_775_700),  # 34.8 M
        ({"shared": True, "ordinal": True}, 3_545_182),  # 3.5 M
        ({"shared": False}, 34_163_280),
        ({"shared": True}, 2_932_762),
    ],
)
def test_the_parameters_are_as_many_as_worked_out(how, count):
    # 2,839,138 a lead block; FC8 without bias, BN and FC1 a lead: 6,912 + 16 + 9
    blocks, outputs = 1 if how["shared"] else 12, 60 if how.get("ordinal") else 1
    assert count == blocks * 2_839_138 + 12 * (865 * outputs + 6_912 + 16 + 9)
    assert parameters(on_meta(**how)) == count


@pytest.mark.parametrize("groups", [1, 3])
def test_joining_keeps_every_group_together(groups):
    parts = [torch.randn(2, groups * c, 5) for c in (1, 2)]
    joined = join(parts, groups).reshape(2, groups, 3, 5)
    for g in range(groups):
        assert torch.equal(joined[:, g, :1], parts[0].reshape(2, groups, 1, 5)[:, g])
        assert torch.equal(joined[:, g, 1:], parts[1].reshape(2, groups, 2, 5)[:, g])


def test_one_grouped_block_equals_twelve_in_a_loop():
    torch.manual_seed(0)
    network = settled(ECG12Net(width=2)).double()
    crops = torch.randn(2, 12, 1024, dtype=torch.float64)
    alone = []
    for lead in range(12):
        block = LeadBlock(width=2).double().eval()
        parts = {
            name: value if value.ndim == 0 else value.chunk(12)[lead]
            for name, value in network.block.state_dict().items()
        }
        block.load_state_dict(parts)
        alone.append(block(crops[:, lead : lead + 1]))
    torch.testing.assert_close(network.features(crops), torch.stack(alone, dim=1), rtol=1e-12, atol=1e-12)


def test_the_shared_block_sees_each_lead_alone():
    torch.manual_seed(0)
    network = settled(ECG12Net(width=2, shared=True)).double()
    crops = torch.randn(2, 12, 1024, dtype=torch.float64)
    alone = torch.stack([network.block(crops[:, lead : lead + 1]) for lead in range(12)], dim=1)
    torch.testing.assert_close(network.features(crops), alone)


@pytest.mark.parametrize("how", [SEPARATE, SHARED, {"shared": True, "ordinal": True}])
def test_the_whole_is_the_leads_weighed_by_an_attention_that_sums_to_one(how):
    torch.manual_seed(0)
    network = settled(ECG12Net(width=2, **how)).double()
    whole, leads, alpha = network(torch.randn(3, 12, 1024, dtype=torch.float64))
    assert (whole.shape, leads.shape, alpha.shape) == ((3,), (3, 12), (3, 12))
    torch.testing.assert_close(alpha.sum(1), torch.ones(3, dtype=torch.float64))
    if not network.ordinal:
        torch.testing.assert_close(whole, (alpha * leads).sum(1))


def test_attention_is_fc8_batch_norm_relu_fc1_of_the_lead_s_own_features():
    torch.manual_seed(0)
    attention = settled(ECG12Net(width=2)).double().attention
    features = torch.randn(2, 12, 54, dtype=torch.float64)
    scores = torch.zeros(2, 12, dtype=torch.float64)
    for lead in range(12):
        own = slice(8 * lead, 8 * lead + 8)
        hidden = features[:, lead] @ attention.reduce[lead]
        bn = attention.bn
        hidden = (hidden - bn.running_mean[own]) / (bn.running_var[own] + bn.eps).sqrt() * bn.weight[own] + bn.bias[own]
        scores[:, lead] = hidden.relu() @ attention.score.weight[lead, :, 0] + attention.score.bias[lead, 0]
    torch.testing.assert_close(attention(features), scores.exp() / scores.exp().sum(1, keepdim=True))


@pytest.mark.parametrize(("logit", "mmol_l"), [(-1e4, 1.5), (0.0, 4.5), (1e4, 7.5)])
def test_the_ordinal_head_counts_steps_of_a_tenth(logit, mmol_l):
    network = ECG12Net(width=1, shared=True, ordinal=True)
    assert network.potassium(torch.full((2, 60), logit)).tolist() == pytest.approx([mmol_l, mmol_l])
    half = torch.cat([torch.full((1, 27), 1e4), torch.full((1, 33), -1e4)], dim=1)
    assert network.potassium(half).item() == pytest.approx(4.2)


def test_an_unknown_emp_is_neither_zero_nor_the_usual_value():
    torch.manual_seed(0)
    net = EMPNet(1)
    known = torch.tensor([80.0, 160, 95, 390, 430, 45, 30, 45])
    variants = known.repeat(3, 1)
    variants[0, 1], variants[2, 1] = torch.nan, 0
    unknown, usual, zero = net(variants).squeeze(1).tolist()
    assert len({unknown, usual, zero}) == 3
    assert net(torch.full((1, 8), torch.nan)).isfinite().all()


def test_the_value_of_an_unknown_emp_is_learned():
    net = EMPNet(1)
    emps = torch.full((1, 8), torch.nan)
    net(emps).sum().backward()
    assert net.layers[0].weight.grad[:, 8:].abs().sum() > 0
    assert net.layers[0].weight.grad[:, :8].abs().sum() == 0


def test_emps_move_the_whole_but_not_the_leads():
    torch.manual_seed(0)
    network = settled(ECG12Net(width=2, shared=True, emps=True))
    crops = torch.randn(2, 12, 1024)
    a, b = (network(crops, torch.full((2, 8), value)) for value in (50.0, 400.0))
    assert not torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(1.49, (1.5, "<")), (1.5, (1.5, "")), (4.2, (4.2, "")), (7.5, (7.5, "")), (7.51, (7.5, ">"))],
)
def test_outside_the_paper_s_range_the_bound_is_shown(raw, shown):
    assert censor(raw) == shown
