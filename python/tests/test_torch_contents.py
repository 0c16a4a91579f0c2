"""Tensors of all forms, in data sets and among the constants of a model."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import torch_mock as mock  # noqa: E402
from torch import nn  # noqa: E402
from torch_models import Data, Net  # noqa: E402

import ebb  # noqa: E402
import ebb.torch  # noqa: E402
from ebb.torch import buffers, contents, data, parameters  # noqa: E402
from ebb.torch.checksums import checksum  # noqa: E402

DENSE = torch.tensor([[1.0, 0.0, 2.0], [0.0, -3.0, 0.0]])


def _uncoalesced(values):
    places = torch.tensor([[0, 0, 0, 1], [0, 2, 2, 1]])
    return torch.sparse_coo_tensor(places, torch.tensor(values), DENSE.shape)


# Pairs of other values in one form.
FORMS = {
    "plain": (DENSE, DENSE + 1),
    "bfloat16": (DENSE.bfloat16(), DENSE.bfloat16() + 1),
    "half": (DENSE.half(), DENSE.half() + 1),
    "coo": (DENSE.to_sparse(), (DENSE * 2).to_sparse()),
    "uncoalesced": (_uncoalesced([1.0, 1.5, 0.5, -3.0]), _uncoalesced([1.0, 1.5, 1.5, -3.0])),
    "csr": (DENSE.to_sparse_csr(), (DENSE * 2).to_sparse_csr()),
    "csc": (DENSE.to_sparse_csc(), (DENSE * 2).to_sparse_csc()),
    "negative": (torch._neg_view(DENSE), torch._neg_view(DENSE + 1)),
    "imaginary": (DENSE.to(torch.complex64).conj().imag, (1j * DENSE).conj().imag),
    "conjugate": ((1j * DENSE).conj(), (2j * DENSE).conj()),
    "quantised": tuple(
        torch.quantize_per_tensor(DENSE, scale, 0, torch.qint8) for scale in (0.1, 0.2)
    ),
    "quantised by channel": tuple(
        torch.quantize_per_channel(DENSE, torch.tensor([0.1, s]), torch.zeros(2, dtype=int), 0, torch.quint8)
        for s in (0.1, 0.2)
    ),
    "mkldnn": (DENSE.to_mkldnn(), (DENSE + 1).to_mkldnn()),
    "a graph's": (nn.Parameter(DENSE.clone()), nn.Parameter(DENSE + 1)),
    "transposed": (DENSE.t(), DENSE.t() + 1),
    "empty": (torch.zeros(0, 3), torch.zeros(0, 4)),
    "bool": (DENSE > 0, DENSE < 0),
}


def _fingerprint(value):
    return data.fingerprint([value] * 3, 1, "", None).data


@pytest.mark.filterwarnings("ignore:Sparse CS. tensor support")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_compared(form):
    one, other = FORMS[form]
    assert _fingerprint(one) == _fingerprint(one.clone()) != _fingerprint(other)
    assert buffers.digest({"x": one}) == buffers.digest({"x": one.clone()})
    assert buffers.digest({"x": one}) != buffers.digest({"x": other})
    if one.numel():
        assert checksum(one) != checksum(other)


def test_forms_of_the_same_values_differ():
    forms = [DENSE, DENSE.bfloat16(), DENSE.to_sparse(), DENSE.to_sparse_csr()]
    forms += [DENSE.bfloat16().view(torch.int16), DENSE.to_sparse().bfloat16()]
    assert len({_fingerprint(form) for form in forms}) == len(forms)
    # A sparse tensor may have its values in any order.
    whole = _uncoalesced([1.0, 1.5, 0.5, -3.0])
    assert _fingerprint(whole) == _fingerprint(whole.coalesce()) == _fingerprint(DENSE.to_sparse())


def test_what_has_no_values_is_named():
    class Meta(Data):
        def __getitem__(self, number):
            return torch.zeros(3, device="meta"), 0

    told = r"has a tensor of torch.float32 torch.strided \(3,\), which .*: a tensor on the device meta"
    with pytest.raises(ebb.Refused, match=told):
        mock.one(Meta())
    class Nested(Data):
        def __getitem__(self, number):
            return torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), 0

    with pytest.raises(ebb.Refused, match="a nested tensor has no shape; pad it"):
        mock.one(Nested())
    model = Net()
    model.register_buffer("mask", torch.zeros(2, device="meta"))
    with pytest.raises(ebb.Refused, match="mask .* cannot be compared .* has no values"):
        mock.one(model=model)


def test_plain_tensors_have_the_fingerprint_of_earlier_releases():
    examples = [(torch.arange(6).reshape(2, 3).t(), torch.ones(2), 3)] * 3
    assert data.fingerprint(examples, 1, "", None).data == "3adc1eb4e978c199-a9a9a9"
    constants = {"a": torch.ones(2).bfloat16(), "b": torch.arange(3), "c": torch.ones(2, 2).t()}
    assert buffers.digest(constants) == "a4895d702d5def83"


def test_a_sparse_parameter_is_refused_by_name():
    model = Net()
    model.adjacency = nn.Parameter(DENSE.to_sparse())
    with pytest.raises(ebb.Refused, match="adjacency is sparse_coo; servers hold dense tables"):
        parameters.tables_of(model)


@pytest.mark.parametrize("form", ["bfloat16", "coo", "negative"])
def test_a_loop_trains_on_them(form):
    class Formed(Data):
        def __getitem__(self, number):
            x, y = super().__getitem__(number)
            kinds = {"bfloat16": x.bfloat16, "coo": x.to_sparse}
            return kinds.get(form, lambda: torch._neg_view(-x))(), y

    def loss(model, batch):
        x = batch[0].to_dense() if batch[0].is_sparse else batch[0]
        return nn.functional.cross_entropy(model(x.float()), batch[1])

    def stacked(examples):  # PyTorch's own refuses sparse tensors from 2.15 on.
        xs, ys = zip(*examples)
        return torch.stack(xs), torch.tensor(ys)

    options = {"collate_fn": stacked} if form == "coo" else {}
    ours, plain, _, _ = mock.both(options, dataset=Formed(), loss=loss)
    for here, there in zip(ours.state_dict().values(), plain.state_dict().values()):
        assert torch.allclose(here, there, atol=1e-6)
    assert contents.is_plain(DENSE)


def test_other_places_take_what_has_numbers(tmp_path):
    path = str(tmp_path / "values.safetensors")
    given = {"w": DENSE.bfloat16().requires_grad_(), "n": torch._neg_view(DENSE), "k": torch.arange(3)}
    ebb.save(given, path)
    for name, value in ebb.load(path).items():
        assert torch.equal(torch.from_numpy(value), given[name].detach().to(torch.from_numpy(value).dtype))
    for value, told in (
        (DENSE.to_sparse(), r"w is sparse_coo, and an array (.|\n)*to_dense\(\)"),
        (FORMS["quantised"][0], r"w is quantised, and an array (.|\n)*dequantize\(\)"),
        (torch.zeros(2, device="meta"), "w is on the device meta"),
    ):
        with pytest.raises(ebb.Refused, match=told):
            ebb.save({"w": value}, path)
    model = Net()
    values = {name: value.detach().bfloat16() for name, value in Net(1).named_parameters()}
    state = {"slots/adam/first_moment/b.bias": torch.ones(3).bfloat16()}
    _, _, cluster = mock.one(model=model, init={**values, **state})
    assert cluster.values["b.bias"].tolist() == values["b.bias"].tolist()
    with pytest.raises(ebb.Refused, match="init: b.bias is sparse_coo"):
        mock.one(init={**values, "b.bias": torch.ones(3).to_sparse()})
    with pytest.raises(ebb.Refused, match="keys of ids are float32"):
        ebb.torch.Keys(torch.ones(2).bfloat16(), [0, 1], "ids")
    with pytest.raises(ebb.Refused, match="keys of ids is sparse_coo"):
        ebb.torch.Keys(torch.ones(2, dtype=int).to_sparse(), [0, 1], "ids")


def test_files_of_other_programs(tmp_path):
    def write(kind, content):
        header = ('{"w":{"dtype":"%s","shape":[2],"data_offsets":[0,%d]}}' % (kind, len(content))).encode()
        (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content)

    write("BF16", torch.tensor([1.5, -3.0]).bfloat16().view(torch.int16).numpy().tobytes())
    assert ebb.load(str(tmp_path / "a.safetensors"))["w"].tolist() == [1.5, -3.0]
    write("F8_E4M3", b"ab")
    with pytest.raises(ebb.Refused, match="w is F8_E4M3, which NumPy has no type for"):
        ebb.load(str(tmp_path / "a.safetensors"))
