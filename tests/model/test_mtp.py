"""Multi-token prediction: which token each module knows and predicts, and the same from transformers' MTP layers."""

import pytest
import torch

from firesteel.model.weights import load_model, save_model
from firesteel.train.batch import Batch
from firesteel.train.losses import NextToken
from tests.train.alone import complete


@pytest.mark.parametrize("modules", [1, 2, 3])
def test_module_k_sees_tokens_up_to_i_plus_k_and_no_further(toy_model, modules):
    """State i of module k predicts token i+k+1, so it may depend on token i+k but not on the one that it predicts."""
    model = toy_model(num_nextn_predict_layers=modules)
    tokens = torch.randint(0, 97, (1, 12))
    base = model.predict_further(model(tokens), tokens)
    assert [states.shape[1] for states in base] == [12 - k for k in range(1, modules + 1)]
    for changed in range(1, 12):
        other = tokens.clone()
        other[0, changed] = (other[0, changed] + 1) % 97
        states = model.predict_further(model(other), other)
        for k, (before, after) in enumerate(zip(base, states, strict=True), start=1):
            same = (before - after).abs().amax(-1)[0] < 1e-6
            first = max(0, changed - k)  # the first state that knows the changed token
            assert same[:first].all(), (k, changed)
            assert first >= len(same) or not same[first], (k, changed)


def test_a_module_learns_the_token_its_state_predicts(toy_model):
    """On a sequence that counts upwards, the loss of module k falls only if state i is compared with token i+k+1."""
    model = toy_model(num_nextn_predict_layers=2, tie_word_embeddings=False).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    objective, everything = NextToken(1.0, 2), torch.ones(8, 16, dtype=torch.bool)
    for _ in range(60):
        start = torch.randint(0, 97, (8, 1), generator=generator)
        tokens = (start + torch.arange(16)) % 97
        (batch,) = complete([Batch(tokens, everything, objective.counts(everything, None))])
        loss, parts = objective(model, model(tokens), batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert parts["mtp_loss"] < 1.0
    model.eval()
    tokens = (torch.tensor([[5]]) + torch.arange(16)) % 97
    for k, states in enumerate(model.predict_further(model(tokens), tokens), start=1):
        predicted = model.logits(states).argmax(-1)[0]
        expected = (tokens[0, : len(predicted)] + k + 1) % 97
        assert (predicted == expected).float().mean() > 0.8, k


@torch.no_grad()
def test_drafts_equal_those_of_transformers(tmp_path, toy_model):
    transformers = pytest.importorskip("transformers")
    layers = pytest.importorskip("transformers.modeling_layers")
    if not hasattr(layers, "MtpModel"):
        pytest.skip("this transformers has no MTP layers")
    ours = toy_model(num_nextn_predict_layers=2, tie_word_embeddings=False, moe_intermediate_size=24)
    save_model(tmp_path, ours)
    main = transformers.DeepseekV3ForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    main._keys_to_ignore_on_load_unexpected = [r"model\.layers\.(3|4)\."]  # it knows only V3's own layer 61 by number
    theirs = layers.MtpModel.from_pretrained(main).eval()
    tokens, T = torch.randint(0, 97, (1, 15), generator=torch.Generator().manual_seed(3)), 14
    hidden = main.model(tokens[:, :T]).last_hidden_state
    drafts, logits, *_ = theirs(
        input_ids=tokens[:, 1:], last_hidden_states=hidden, attention_mask=None,
        position_ids=torch.arange(1, T + 1)[None], mtp_cache=None,
    )  # fmt: skip
    with_draft = torch.cat((tokens, drafts[:, :1]), dim=1)  # module 2 reads what module 1 drafted
    for k, states in enumerate(ours.predict_further(ours(with_draft), with_draft)):
        torch.testing.assert_close(ours.logits(states[:, T - 1]), logits[:, k], atol=1e-4, rtol=1e-4)


def test_modules_survive_the_folder(tmp_path, toy_model):
    model = toy_model(num_nextn_predict_layers=2)
    save_model(tmp_path, model)
    again = load_model(tmp_path)
    assert len(again.mtp) == 2
    for (name, a), (_, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
