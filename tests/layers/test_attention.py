import pytest
import torch
from torch import nn

from aligndetr.layers import mlp, repeat
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.mlp import MLP, FeedForward


def test_equals_torch_multihead_attention():
    torch.manual_seed(0)
    ours = SelfAttention(16, 4).double()
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())  # same names, same layout
    x, position = torch.randn(2, 2, 7, 16, dtype=torch.float64).unbind()
    blocked = torch.rand(7, 7) > 0.6
    blocked.fill_diagonal_(False)
    expected, _ = theirs(x + position, x + position, x, attn_mask=blocked)
    assert torch.allclose(ours(x, position, blocked), expected, atol=1e-12)


def test_blocked_queries_do_not_influence():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2)
    x = torch.randn(1, 4, 8)
    blocked = torch.zeros(4, 4, dtype=torch.bool)
    blocked[:2, 2:] = True
    changed = x.clone()
    changed[:, 2:] += 1
    zero = torch.zeros_like(x)
    before, after = attention(x, zero, blocked), attention(changed, zero, blocked)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


def test_indivisible_heads_are_refused():
    with pytest.raises(ValueError, match="10 is not divisible by num_heads 4"):
        SelfAttention(10, 4)


def test_repeat_gives_every_copy_its_own_weights_and_special_inits():
    class Constant(nn.Linear):
        def reset_parameters(self):
            super().reset_parameters()
            nn.init.constant_(self.bias, 7.0)

    copies = repeat(nn.Sequential(Constant(3, 3), nn.Linear(3, 3)), 3)
    assert len(copies) == 3
    assert not torch.equal(copies[0][1].weight, copies[1][1].weight)
    assert all(copy[0].bias.eq(7).all() for copy in copies)


def test_mlp_by_hand():
    two_layers = MLP(1, 1, 1, num_layers=2)
    with torch.no_grad():
        for layer, weight, bias in zip(two_layers.layers, (2.0, 3.0), (-1.0, 0.5), strict=True):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    # relu(2x - 1) * 3 + 0.5: x = 1 -> 3.5; x = 0 -> relu(-1) = 0 -> 0.5
    assert two_layers(torch.tensor([[1.0], [0.0]])).flatten().tolist() == [3.5, 0.5]


def test_feed_forward_in_groups_of_rows_changes_nothing_but_memory(monkeypatch):
    torch.manual_seed(0)
    ffn = FeedForward(4, 8).double()
    x = torch.randn(1, 7, 4, dtype=torch.float64, requires_grad=True)
    together = torch.autograd.grad(ffn(x).sin().sum(), [x, *ffn.parameters()])
    rows = []
    ffn.linear1.register_forward_hook(lambda module, inputs, hidden: rows.append(len(hidden)))
    monkeypatch.setattr(mlp, "HIDDEN_AT_ONCE", 30)  # 30 // 8 hidden features: 3 rows
    in_groups = torch.autograd.grad(ffn(x).sin().sum(), [x, *ffn.parameters()])
    assert rows == [3, 3, 1]
    for one, other in zip(together, in_groups, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    assert ffn(x[:, :0]).shape == (1, 0, 4)
    monkeypatch.setattr(mlp, "HIDDEN_AT_ONCE", 1)  # less than one row's
    torch.testing.assert_close(ffn(x[:, :2]), ffn(x)[:, :2])


def test_feed_forward_drops_only_in_training():
    torch.manual_seed(0)
    ffn = FeedForward(4, 8, dropout=0.9)
    x = torch.randn(5, 4)
    assert not torch.equal(ffn(x), ffn(x))
    ffn.eval()
    assert torch.equal(ffn(x), ffn(x))
