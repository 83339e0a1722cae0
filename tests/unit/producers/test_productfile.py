"""Products from files: read whole or named with row and reason; and products from a seed."""

from pathlib import Path

import pytest

from producers.clients.catalogue import commands_for, put_product
from producers.errors import UnusableFileError
from producers.importing.productfile import read_products
from producers.importing.seeded_catalogue import seeded_catalogue
from schemas.messages import Attribute, PublishProduct, PutProduct, SetPrice, Variant, VariantOption

SHARED = Path(__file__).parents[4] / "shared" / "data" / "online-retail-products.csv"


def written(tmp_path: Path, text: str, name: str = "products.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_is_a_product_and_its_prices_are_exact(tmp_path: Path) -> None:
    text = "product_id,title,price,currency,colours,attribute:fits\nM1,Mug,3.50,GBP,red|blue,dishwasher\n"
    (draft,) = read_products(written(tmp_path, text)).drafts
    assert draft.prices == {"M1": 350}
    assert draft.attributes == (
        Attribute("colour", "red"),
        Attribute("colour", "blue"),
        Attribute("fits", "dishwasher"),
    )


def test_rows_of_one_product_are_its_variants(tmp_path: Path) -> None:
    text = "product_id,sku,title,price_minor,option:size\nT,T-S,Tee,990,S\nT,T-M,Tee,1090,M\n"
    (draft,) = read_products(written(tmp_path, text)).drafts
    assert draft.variants == (Variant("T-S", ""), Variant("T-M", ""))
    assert draft.options == (VariantOption("T-S", "size", "S"), VariantOption("T-M", "size", "M"))
    assert draft.prices == {"T-S": 990, "T-M": 1090}


def test_a_product_with_one_bad_variant_is_left_out_whole_and_named(tmp_path: Path) -> None:
    text = "product_id,sku,title,price\nA,A,Fine,1\nT,T-S,Tee,9.90\nT,T-M,Tee,much\nB,B,Fine,2\n"
    file = read_products(written(tmp_path, text))
    assert [draft.product_id for draft in file.drafts] == ["A", "B"]
    assert [(reject.row, reject.product_id) for reject in file.rejected] == [(3, "T")]
    assert "'much'" in file.rejected[0].reason


def test_a_fraction_of_a_penny_is_no_price(tmp_path: Path) -> None:
    file = read_products(written(tmp_path, "product_id,title,price\nA,Mug,1.005\n"))
    assert file.drafts == []
    assert "no whole number of minor units" in file.rejected[0].reason


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("title,price", "lacks product_id"),
        ("product_id,title", "neither price"),
        ("product_id,title,price,Farbe", "attribute:Farbe"),
    ],
)
def test_a_header_that_cannot_be_meant_is_named(tmp_path: Path, header: str, expected: str) -> None:
    with pytest.raises(UnusableFileError, match=expected):
        read_products(written(tmp_path, f"{header}\n"))


def test_a_line_of_json_is_a_product(tmp_path: Path) -> None:
    text = '{"product_id":"M","title":"Mug","currency":"GBP","variants":[{"sku":"M","title":""}],"prices":{"M":350}}\n{"x":1}\n'
    file = read_products(written(tmp_path, text, "products.jsonl"))
    assert [draft.product_id for draft in file.drafts] == ["M"]
    assert file.rejected[0].row == 2


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside the repository")
def test_a_real_catalogue_is_read_whole() -> None:
    file = read_products(SHARED)
    assert file.rejected == []
    assert len(file.drafts) == 3791


def test_a_seed_gives_one_catalogue_of_lawful_products() -> None:
    drafts = list(seeded_catalogue(7, 500))
    assert drafts == list(seeded_catalogue(7, 500))
    assert len({draft.product_id for draft in drafts}) == 500
    assert sum(len(draft.variants) > 1 for draft in drafts) > 50
    for draft in drafts:
        put_product(draft)


def test_a_draft_is_put_priced_and_published_in_this_order() -> None:
    draft = next(seeded_catalogue(1, 1))
    kinds = [type(command) for command in commands_for(draft)]
    assert kinds == [PutProduct, *[SetPrice] * len(draft.variants), PublishProduct]
