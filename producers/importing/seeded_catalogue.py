"""A catalogue of any size for demonstrations and measurements, from a seed: the same seed gives the same products."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

from producers.clients.catalogue import ProductDraft
from schemas.messages import Attribute, Variant, VariantOption

if TYPE_CHECKING:
    from collections.abc import Iterator


class Kind(NamedTuple):
    """A type of product: its name in titles, where it stands, what it costs at least and at most, and its sizes."""

    name: str
    category: str
    product_type: str
    least_minor: int
    most_minor: int
    sizes: tuple[str, ...] = ()


KINDS: Final = (
    Kind("Mug", "Kitchen/Drinking", "mugs & cups", 350, 1800),
    Kind("Teapot", "Kitchen/Drinking", "mugs & cups", 1200, 5900),
    Kind("Bowl", "Kitchen/Tableware", "bowls", 400, 3200),
    Kind("Plate", "Kitchen/Tableware", "plates", 300, 2500),
    Kind("Apron", "Kitchen/Textiles", "kitchen", 900, 3900, ("S", "M", "L")),
    Kind("Storage Jar", "Kitchen/Storage", "jars", 500, 2900),
    Kind("Cake Tin", "Kitchen/Storage", "boxes & tins", 450, 2400),
    Kind("Cushion Cover", "Living/Textiles", "cushions", 700, 4500, ("40 cm", "50 cm", "60 cm")),
    Kind("Wall Clock", "Living/Decoration", "clocks", 1500, 8900),
    Kind("Photo Frame", "Living/Decoration", "frames", 400, 3900, ("10 x 15", "13 x 18", "20 x 30")),
    Kind("Lantern", "Living/Lights", "lights", 800, 6900),
    Kind("T-Light Holder", "Living/Lights", "holders", 150, 1900),
    Kind("Scented Candle", "Living/Lights", "candles", 300, 2900),
    Kind("Mirror", "Living/Decoration", "mirrors", 1900, 12900),
    Kind("Doormat", "Home/Hall", "doormats", 900, 3900),
    Kind("Coat Hook", "Home/Hall", "furniture", 350, 2900),
    Kind("Umbrella", "Home/Hall", "umbrellas", 900, 4900),
    Kind("Shopping Bag", "Bags/Everyday", "bags", 195, 2500),
    Kind("Lunch Bag", "Bags/Everyday", "bags", 165, 1900),
    Kind("Notebook", "Office/Paper", "stationery", 150, 1600),
    Kind("Greeting Card", "Office/Paper", "cards & wrap", 42, 450),
    Kind("T-Shirt", "Clothing/Tops", "clothing", 990, 3900, ("XS", "S", "M", "L", "XL")),
    Kind("Slippers", "Clothing/Shoes", "clothing", 900, 3900, ("36", "38", "40", "42", "44")),
    Kind("Necklace", "Jewellery/Necklaces", "jewellery", 250, 9900),
    Kind("Wooden Puzzle", "Toys/Puzzles", "toys & games", 450, 2900),
)
STYLES: Final = (
    *("Vintage", "Retrospot", "Union Jack", "Hanging Heart", "Polka Dot", "Botanical", "Striped", "Rustic", "Woodland"),
    *(
        "Paisley",
        "Regency",
        "Folk Art",
        "Seaside",
        "Art Deco",
        "Gingham",
        "Feather",
        "Dolly",
        "Skull",
        "Alphabet",
        "Robin",
    ),
)
COLOURS: Final = (
    "red",
    "blue",
    "green",
    "yellow",
    "black",
    "white",
    "pink",
    "purple",
    "orange",
    "grey",
    "ivory",
    "gold",
)
MATERIALS: Final = ("ceramic", "glass", "wood", "metal", "cotton", "paper", "wicker", "felt", "linen", "enamel")
_FIRST: Final = (
    "Alder",
    "Brook",
    "Clover",
    "Dove",
    "Elm",
    "Fern",
    "Gable",
    "Hazel",
    "Ivy",
    "Juniper",
    "Kestrel",
    "Larch",
)
_SECOND: Final = ("field", "mill", "dale", "worth", "ton", "lea", "wick", "ford")
BRANDS: Final = tuple(f"{first}{second}" for first in _FIRST for second in _SECOND)


def seeded_catalogue(seed: int, products: int, currency: str = "GBP") -> Iterator[ProductDraft]:
    """Yield so many different products; about a third have variants in sizes."""
    draw = random.Random(seed)  # noqa: S311  a catalogue to repeat, not a secret
    for number in range(products):
        yield _product(f"P{number:06}", draw, currency)


def _product(product_id: str, draw: random.Random, currency: str) -> ProductDraft:
    kind = draw.choice(KINDS)
    style, brand, material = draw.choice(STYLES), draw.choice(BRANDS), draw.choice(MATERIALS)
    colours = draw.sample(COLOURS, draw.choice((1, 1, 1, 2)))
    price = draw.randrange(kind.least_minor, kind.most_minor)
    sizes = kind.sizes if draw.random() < 0.8 else ()  # noqa: PLR2004  a fifth comes in one size
    skus = [f"{product_id}-{number}" for number in range(1, len(sizes) + 1)] or [product_id]
    return ProductDraft(
        product_id=product_id,
        title=f"{style} {kind.name} {' and '.join(colours).title()} by {brand}",
        currency=currency,
        variants=tuple(Variant(sku, size) for sku, size in zip(skus, sizes or ("",), strict=True)),
        prices={sku: price + 50 * place for place, sku in enumerate(skus)},
        description=(
            f"A {style.lower()} {kind.name.lower()} of {material}, in {' and '.join(colours)}.",
            f"Made by {brand} in small numbers.",
        ),
        product_type=kind.product_type,
        category=kind.category,
        brand=brand,
        attributes=(*(Attribute("colour", colour) for colour in colours), Attribute("material", material)),
        options=tuple(VariantOption(sku, "size", size) for sku, size in zip(skus, sizes or skus, strict=True) if sizes),
    )
