"""`make bench-read`: pages and search beside the same from PostgreSQL by catalogue size, every route, recommendations beside `implicit`.

Each lane is a server of its own behind the same framework; requests come over HTTP from the measuring process, which does not
count. Figures are requests for each CPU second of the server (for PostgreSQL's lanes of both its processes and ours).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import numpy as np
from scipy import sparse

from consumers.recommendations import item_item
from consumers.recommendations.blending import bought_again
from consumers.recommendations.evaluation import Case, completions, judge
from tests.benchmarks.harness.options import Options
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import Report, at_least, at_most
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.reading import debian, goods, postgresql, routes, visibility
from tests.benchmarks.reading.asking import Asked, Connection, ask
from tests.benchmarks.reading.servers import Lane, free_port, server

SIZES = (1_000, 10_000, 100_000)
SECONDS = 4.0
BASKETS = Path(__file__).parents[3] / "shared" / "data" / "online-retail-baskets.csv.gz"
TEST_FROM = "2011-09-01"
ROUTES = {"page": "text/html", "search": "application/json", "typed": "application/json", "first": "application/json"}
"""What is asked of each lane; `search` are 500 searches in turn, `typed` the same with a typo in one of eight, as people type
them, `first` whole titles that nobody has asked for before."""
FIRST_TIME = 40_000


async def mean_reciprocal_rank(port: int, texts: list[tuple[str, str]]) -> float:
    """Return how well misspelled titles find products of that title among the first 24 hits.

    Several products may have one title: which of them stands first is chance in either lane.
    """
    connection = Connection(port, "application/json")
    total = 0.0
    for text, wanted in texts:
        titles = [hit["title"] for hit in json.loads(await connection.get(f"/search?q={quote(text)}"))["hits"] or []]
        total += 1 / (titles.index(wanted) + 1) if wanted in titles else 0
    connection.close()
    return total / len(texts)


async def measure(options: Options, report: Report, size: int, with_postgresql: bool) -> None:
    """Measure both lanes at one size, in alternation."""
    everything = goods.products(size)
    paths = {
        "page": [f"/p/{product.slug}" for product in everything[:2_000]],
        "search": [f"/search?{query}" for query in goods.queries(500)],
        "typed": [f"/search?{query}" for query in goods.typed(500)],
        "first": [f"/search?{query}" for query in goods.first_time(everything, FIRST_TIME)],
    }
    texts = goods.misspelled(everything, 20 if options.quick else 200)
    samples: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    mrr: dict[str, float] = {}
    async with AsyncExitStack() as open_ones:
        dsn, database = "", None
        if with_postgresql:
            dsn, database = open_ones.enter_context(debian.running(free_port()))
            await postgresql.fill(dsn, everything, goods.levels(everything))
        lanes: dict[str, Lane] = {"ours": Lane(*await open_ones.enter_async_context(server("ours", size)))}
        if database is not None:
            port, process = await open_ones.enter_async_context(server("postgresql", size, dsn))
            lanes["postgresql"] = Lane(port, process, database)
        for name, lane in lanes.items():
            mrr[name] = await mean_reciprocal_rank(lane.port, texts)
        for route, accept in ROUTES.items():
            await ask_in_turns(options, lanes, route, paths[route], samples)
            for name, lane in lanes.items():
                half = spread([sample.per_s for sample in samples[name, route]]).median / 2
                asked = await ask(
                    lane.port, paths[route], lane.cpu, accept=accept, seconds=seconds_of(options), rate=half
                )
                key = f"{name}, {route}, {size}: p50 and p99 ms at {half:.0f}/s"
                report.details[key] = [asked.p50_ms, asked.p99_ms]
                if size == max_size(options) and (name, route) == ("ours", "search"):
                    report.bars["search_p99_ms_at_half_load"] = at_most(asked.p99_ms, 20)
    for (name, route), of_rounds in samples.items():
        report.spreads[f"{route}, {name}, {size:,} products, per CPU second"] = spread(
            [sample.per_cpu_s for sample in of_rounds]
        )
    say(f"{size:,} products: MRR of misspelled titles {mrr}")
    report.details[f"mrr, {size}"] = mrr
    if size == max_size(options):
        judge_size(report, samples, mrr)


async def ask_in_turns(
    options: Options, lanes: dict[str, Lane], route: str, paths: list[str], samples: dict[tuple[str, str], list[Asked]]
) -> None:
    """Ask the lanes for one route, each in every round; in every other round the last one begins."""
    accept, seconds = ROUTES[route], seconds_of(options)
    for lane in lanes.values():
        await ask(lane.port, paths[-2_000:], lane.cpu, accept=accept, seconds=min(1.0, seconds))
    share = len(paths) // options.rounds if route == "first" else 0
    for turn in range(options.rounds):
        asked = paths[turn * share :]
        for name in sorted(lanes, reverse=bool(turn % 2)):
            samples[name, route].append(
                await ask(lanes[name].port, asked, lanes[name].cpu, accept=accept, seconds=seconds)
            )


def seconds_of(options: Options) -> float:
    return 0.5 if options.quick else SECONDS


def max_size(options: Options) -> int:
    return SIZES[0] if options.quick else SIZES[-1]


def judge_size(report: Report, samples: dict[tuple[str, str], list[Asked]], mrr: dict[str, float]) -> None:
    """Compute the figures and bars of the largest catalogue."""
    for route, bar, least_ratio in (("page", 5_000, 3), ("search", 150, 5), ("typed", 150, 5), ("first", 150, None)):
        own = [sample.per_cpu_s for sample in samples["ours", route]]
        report.figure(f"{route}s_per_cpu_s", spread(own).median)
        report.bars[f"{route}s_per_cpu_s"] = at_least(spread(own).median, bar)
        if baseline := [sample.per_cpu_s for sample in samples.get(("postgresql", route), [])]:
            report.ratio(f"{route}_vs_postgresql", paired(own, baseline), least_ratio)
    if "postgresql" in mrr:
        report.figure("mrr_vs_postgresql", mrr["ours"] / max(mrr["postgresql"], 0.001))
        report.bars["mrr_vs_postgresql"] = at_least(mrr["ours"] / max(mrr["postgresql"], 0.001), 1)


def recommendations(report: Report) -> None:
    """Measure what is learned from ten months of baskets on the two months after."""
    if not BASKETS.exists():
        report.skipped["recommendations"] = "the shared data folder is not beside the repository"
        return
    with gzip.open(BASKETS, "rt", encoding="utf-8", newline="") as file:
        rows = [
            (row["at"], row["customer"], tuple(item.partition(":")[0] for item in row["items"].split()))
            for row in csv.DictReader(file)
        ]
    rows.sort()
    past = [items for at, _, items in rows if at < TEST_FROM]
    model = item_item.build(past)
    cases = completions([items for at, _, items in rows if at >= TEST_FROM], frozenset(model))
    own = judge(lambda given: [neighbour.item for neighbour in item_item.recommend(model, given, 10)], cases)
    report.figure("item_item_hit_at_10", own.hit)
    report.figure("item_item_ndcg_at_10", own.ndcg)
    bought: defaultdict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    following: dict[str, frozenset[str]] = {}
    for number, (at, customer, items) in enumerate(rows):
        if customer and at < TEST_FROM:
            bought[customer].append((number, items))
        elif customer in bought:
            following.setdefault(customer, frozenset(items))
    again = judge(
        lambda given: [item for item, _ in bought_again(bought[given[0]], 10)],
        [Case((customer,), wanted) for customer, wanted in following.items()],
    )
    report.figure("next_basket_hit_at_10", again.hit)
    try:
        from implicit.nearest_neighbours import BM25Recommender  # noqa: PLC0415
    except ImportError:
        report.skipped["implicit"] = "it is only in the benchmarks' packages"
        return
    numbers = {item: number for number, item in enumerate(model)}
    names = list(numbers)
    pairs = [(row, numbers[item]) for row, items in enumerate(past) for item in set(items) if item in numbers]
    matrix = sparse.csr_matrix((np.ones(len(pairs)), tuple(zip(*pairs, strict=True))), shape=(len(past), len(names)))
    implicit_model = BM25Recommender(K=item_item.NEIGHBOURS)
    implicit_model.fit(matrix, show_progress=False)

    def recommended(given: tuple[str, ...]) -> list[str]:
        own = [numbers[item] for item in given]
        row = sparse.csr_matrix((np.ones(len(own)), ([0] * len(own), own)), shape=(1, len(names)))
        ids, _ = implicit_model.recommend(0, row, N=10, filter_already_liked_items=True)
        return [names[number] for number in ids]

    reference = judge(recommended, cases)
    report.figure("item_item_vs_implicit", own.hit / reference.hit)
    report.bars["item_item_vs_implicit"] = at_least(own.hit / reference.hit, 1)
    report.details["implicit hit@10 and NDCG@10"] = [reference.hit, reference.ndcg]


async def run(options: Options, report: Report) -> None:
    """Measure every size, each route, recommendations, and how soon changes are visible; `--lanes` takes some of it."""
    if options.wants("pages"):
        await pages_and_search(options, report)
    if options.wants("routes"):
        await routes.measure(options, report, max_size(options))
    if options.wants("recommendations"):
        recommendations(report)
    if options.wants("visibility"):
        await visibility.measure(options, report)


async def pages_and_search(options: Options, report: Report) -> None:
    """Measure both lanes at every size."""
    with_postgresql = debian.binaries() is not None
    if not with_postgresql:
        report.skipped["postgresql"] = "there is no PostgreSQL of Debian's here (the embedded one lacks pg_trgm)"
    for size in (SIZES[0],) if options.quick else SIZES:
        await measure(options, report, size, with_postgresql)


def main() -> int:
    """Be the program."""
    return run_benchmark(run, name="read", title="Pages and search", unit="requests per CPU second", orders=1)


if __name__ == "__main__":
    raise SystemExit(main())
