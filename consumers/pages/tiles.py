"""Pictures of products that have none: a tile drawn from a product's type and colours. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.products import slugify

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS: Final = {
    "red": "#c0392b",
    "blue": "#2f6db5",
    "green": "#3d8b52",
    "yellow": "#e3b23c",
    "black": "#30343a",
    "white": "#f7f4ee",
    "pink": "#e08aa4",
    "purple": "#7d5ba6",
    "orange": "#dd7c35",
    "grey": "#8d949c",
    "silver": "#b9c0c7",
    "ivory": "#efe4c8",
    "cream": "#efe4c8",
    "gold": "#c9a14a",
    "brown": "#8a5a3b",
    "turquoise": "#38a3a5",
}
PLAIN: Final = "#7a8793"
_CUP: Final = '<path d="M62 70h70v62a18 18 0 0 1-18 18H80a18 18 0 0 1-18-18z"/><path d="M132 84h14a18 18 0 0 1 0 40h-14" class="l"/>'
_BAG: Final = '<path d="M56 82h88l8 72H48z"/><path d="M76 94V74a24 24 0 0 1 48 0v20" class="l"/>'
_BOX: Final = (
    '<path d="M52 84h96v68H52z"/><path d="M46 66h108v20H46z" class="s"/><path d="M92 66h16v86H92z" class="s"/>'
)
_CANDLE: Final = '<path d="M82 84h36v72H82z"/><path d="M100 44c12 14 12 26 0 32-12-6-12-18 0-32z" class="s"/>'
_FRAME: Final = (
    '<path d="M50 44h100v112H50z"/><path d="M66 60h68v80H66z" class="s"/><path d="M70 134l22-34 16 20 10-12 14 26z"/>'
)
_CLOCK: Final = '<circle cx="100" cy="100" r="54"/><circle cx="100" cy="100" r="40" class="s"/><path d="M100 100V72M100 100l18 12" class="l"/>'
_PLATE: Final = '<circle cx="100" cy="100" r="56"/><circle cx="100" cy="100" r="36" class="s"/>'
_BOWL: Final = '<path d="M44 88h112a56 56 0 0 1-112 0z"/><path d="M80 144h40v12H80z" class="s"/>'
_CARD: Final = '<path d="M46 62h108v76H46z"/><path d="M46 62l54 44 54-44" class="l"/>'
_CUSHION: Final = (
    '<path d="M52 56q48 12 96 0-12 44 0 88-48-12-96 0 12-44 0-88z"/><circle cx="100" cy="100" r="8" class="s"/>'
)
_GEM: Final = '<path d="M70 60h60l22 28-52 64-52-64z"/><path d="M48 88h104M86 88l14 64 14-64-14-28z" class="l"/>'
_CHAIR: Final = '<path d="M66 44h12v60h50v12H66zM66 116h12v40H66zM116 116h12v40h-12z"/>'
_JAR: Final = '<path d="M64 74h72v70a12 12 0 0 1-12 12H76a12 12 0 0 1-12-12z"/><path d="M70 52h60v18H70z" class="s"/>'
_LAMP: Final = '<path d="M76 48h48l20 56H56z"/><path d="M94 104h12v40h-12zM76 144h48v10H76z" class="s"/>'
_MIRROR: Final = '<ellipse cx="100" cy="92" rx="40" ry="50"/><ellipse cx="100" cy="92" rx="28" ry="38" class="s"/><path d="M94 142h12v20H94z"/>'
_SIGN: Final = (
    '<path d="M48 76h104v44H48z"/><path d="M70 76l30-34 30 34" class="l"/><path d="M62 92h76M62 104h50" class="l"/>'
)
_PEN: Final = '<path d="M58 46h64v108H58z"/><path d="M70 66h40M70 82h40M70 98h28" class="l"/><path d="M134 60h12v70l-6 18-6-18z" class="s"/>'
_TOY: Final = '<path d="M52 100h48v48H52z"/><path d="M104 100h44v48h-44z" class="s"/><path d="M78 48h44v48H78z"/>'
_UMBRELLA: Final = '<path d="M44 104a56 56 0 0 1 112 0q-14-12-28 0-14-12-28 0-14-12-28 0-14-12-28 0z"/><path d="M100 104v40a10 10 0 0 0 20 0" class="l"/>'
_MAT: Final = '<path d="M40 74h120v56H40z"/><path d="M52 86h96v32H52z" class="s"/>'
_SHIRT: Final = '<path d="M74 52l-34 22 14 24 16-10v66h60V88l16 10 14-24-34-22q-26 20-52 0z"/>'
_STAR: Final = '<path d="M100 44l16 38 42 4-32 28 10 42-36-22-36 22 10-42-32-28 42-4z"/>'
_BOARD: Final = '<path d="M70 44h60v84H70z"/><circle cx="100" cy="60" r="6" class="s"/><path d="M92 128h16v32H92z"/>'
_HOLDER: Final = '<path d="M60 96h80l-10 40H70z"/><path d="M92 60h16v36H92z" class="s"/><path d="M84 136h32v16H84z"/>'
SHAPES: Final = {
    "bags": _BAG,
    "bowls": _BOWL,
    "boxes & tins": _BOX,
    "candles": _CANDLE,
    "cards & wrap": _CARD,
    "clocks": _CLOCK,
    "clothing": _SHIRT,
    "cushions": _CUSHION,
    "decorations": _STAR,
    "doormats": _MAT,
    "frames": _FRAME,
    "furniture": _CHAIR,
    "holders": _HOLDER,
    "jars": _JAR,
    "jewellery": _GEM,
    "kitchen": _BOARD,
    "lights": _LAMP,
    "mirrors": _MIRROR,
    "mugs & cups": _CUP,
    "plates": _PLATE,
    "signs": _SIGN,
    "stationery": _PEN,
    "toys & games": _TOY,
    "umbrellas": _UMBRELLA,
}
_BY_SLUG: Final = {slugify(name): shape for name, shape in SHAPES.items()}
OTHER: Final = "other"
MOST_COLOURS: Final = 3


def tile_address(product_type: str, colours: Sequence[str]) -> str:
    """Return where the tile of such a product is; products that look alike share one."""
    kind = slugify(product_type)
    known = [colour for colour in colours if colour in COLOURS][:MOST_COLOURS]
    return f"/tiles/{kind if kind in _BY_SLUG else OTHER}/{'-'.join(known) or 'plain'}.svg"


def draw_tile(kind: str, colours: str) -> str | None:
    """Return the SVG at an address that `tile_address` gives; None for any other."""
    names = colours.split("-")
    if (kind != OTHER and kind not in _BY_SLUG) or len(names) > MOST_COLOURS:
        return None
    if colours != "plain" and not all(name in COLOURS for name in names):
        return None
    fills = [COLOURS.get(name, PLAIN) for name in names]
    first, second = fills[0], fills[1] if len(fills) > 1 else _lighter(fills[0])
    ground = fills[2] if len(fills) > 2 else _ground(first)  # noqa: PLR2004  the third colour, if there is one
    line = "#30343a" if _brightness(first) > 150 else "#fdfcf9"  # noqa: PLR2004  of 255
    shape = _BY_SLUG.get(kind, _BOX)
    shape = shape.replace('class="s"', f'fill="{second}"').replace(
        'class="l"',
        f'fill="none" stroke="{second if second != first else line}" stroke-width="8" stroke-linecap="round"',
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" role="img">'
        f'<rect width="200" height="200" fill="{ground}"/>'
        f'<g fill="{first}" stroke="#00000033" stroke-width="1.5" stroke-linejoin="round">{shape}</g></svg>'
    )


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _brightness(colour: str) -> float:
    red, green, blue = _channels(colour)
    return 0.3 * red + 0.59 * green + 0.11 * blue


def _mixed(colour: str, other: int, share: float) -> str:
    return "#" + "".join(f"{round(channel * (1 - share) + other * share):02x}" for channel in _channels(colour))


def _lighter(colour: str) -> str:
    return _mixed(colour, 0, 0.25) if _brightness(colour) > 150 else _mixed(colour, 255, 0.45)  # noqa: PLR2004


def _ground(colour: str) -> str:
    return _mixed(colour, 255, 0.85) if _brightness(colour) < 200 else "#dfe3e6"  # noqa: PLR2004
