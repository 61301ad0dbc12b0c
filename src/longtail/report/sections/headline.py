"""What changes for people, in plain words: gains, losses, and where nothing can be told."""

from __future__ import annotations

from longtail.core.buckets import LABELS
from longtail.evaluate.compare import Comparison
from longtail.evaluate.result import ProtocolResult, is_part
from longtail.evaluate.result import Section as Part
from longtail.evaluate.words import label, number, signed
from longtail.report.html import Html, join, tag
from longtail.report.section import Material, Section, note, paragraph
from longtail.report.words import change

MINE, BEFORE = "longtail", "ALS"
#: With fewer users even an interval says little.
FEW = 30
_VERDICTS = {1: ("better", "gain"), 0: ("no difference that can be told", "even"), -1: ("worse", "loss")}


def headline(material: Material) -> Section:
    """The tail and the whole catalog before and after, every bucket's verdict, and rivals that are better."""
    parts: list[Html | None] = [_alone(material)]
    result = material.evaluation.result("tail")
    if result is None:
        parts.append(material.not_measured("tail", "What longtail changes for people"))
    else:
        metric = f"ndcg@{result.k}"
        shown = [part for name in ("tail", "whole catalog") if (part := _part(result, name, metric)) is not None]
        parts.append(_verdict(result, metric))
        parts.append(tag("div", (_card(part, metric, result.k, material) for part in shown), class_="cards"))
        parts.append(_by_bucket(result, metric))
        parts.append(_rivals(result, metric))
        parts.append(_meaning(result))
    cold = material.evaluation.result("cold")
    if cold is not None and cold.sections:
        parts.append(_new_items(cold))
    parts.append(_elsewhere(material))
    return Section("short", "In short", join(parts))


def _alone(material: Material) -> Html | None:
    """Where training itself found that content does not help, that comes first."""
    choices = material.bundle.manifest.choices
    said = choices.get("note") or material.curves.get("note")
    guard = material.curves.get("guard")
    told = [text for text in (said, guard) if isinstance(text, str)]
    return tag("div", (paragraph(text) for text in told), class_="warning") if told else None


def _part(result: ProtocolResult, name: str, metric: str) -> Part | None:
    """The candidates of that name, if both methods were measured on them."""
    found = next((part for part in result.sections if part.name == name), None)
    comparison = found.comparisons.get(metric) if found is not None else None
    return found if comparison is not None and {MINE, BEFORE} <= set(comparison.estimates) else None


def _verdict(result: ProtocolResult, metric: str) -> Html | None:
    """One sentence: whether longtail helps this shop, as far as was measured."""

    def sign(name: str) -> int | None:
        part = _part(result, name, metric)
        return None if part is None else part.comparisons[metric].direction(MINE, BEFORE)

    tail, whole = sign("tail"), sign("whole catalog")
    signs = [found for bucket in LABELS if (found := sign(bucket)) is not None]
    if tail is None or whole is None:
        return None
    if tail > 0:
        said = "longtail helps this shop's rarely taken items"
        said += {1: ", and the whole catalog gains.", 0: ", and costs nothing that can be told overall.",
                 -1: ", and costs the whole catalog more than chance explains."}[whole]  # fmt: skip
    elif tail < 0:
        said = "longtail does not help this shop's rarely taken items: they are worse off, beyond chance."
    elif whole > 0:
        said = "longtail helps this shop overall; for rarely taken items together no gain can be told."
    elif whole < 0:
        said = (
            "longtail does not help this shop: it costs the whole catalog, and the tail gains nothing that can be told."
        )
    elif 1 in signs and -1 not in signs:
        said = "Neither the tail nor the whole catalog gains anything that can be told; some groups of items do."
    elif signs.count(0) == len(signs):
        said = "Nothing measured here shows that longtail helps this shop, or harms it. ALS alone may do."
    else:
        said = "Neither the tail nor the whole catalog gains anything that can be told, and some groups of items lose."
    return tag("p", said, class_="lead")


def _card(part: Part, metric: str, k: int, material: Material) -> Html:
    comparison = part.comparisons[metric]
    before, after = comparison.estimates[BEFORE], comparison.estimates[MINE]
    difference = comparison.difference(MINE, BEFORE).estimate
    verdict = comparison.direction(MINE, BEFORE)
    word, class_ = _VERDICTS[verdict]
    name = f"Tail: fewer than {material.tail_below} interactions" if part.name == "tail" else "Whole catalog"
    said = {
        1: "A gain beyond chance.",
        0: "This may be chance: no difference can be told.",
        -1: "A loss beyond chance: longtail does not help here.",
    }[verdict]
    hits = f"hit_rate@{k}"
    return tag(
        "article",
        tag("h3", name),
        tag("p", f"{part.n_candidates:,} items, asked for {part.n_users:,} users", class_="sub"),
        tag("p", number(before.mean), tag("span", " → "), tag("b", number(after.mean)), class_="big"),
        tag("p", f"{label(metric)}, ALS alone → longtail ", tag("span", change(after.mean, before.mean) or word)),
        tag("p", f"Difference {signed(difference.low)} to {signed(difference.high)} (95% interval). {said}"),
        paragraph(_people(part, hits, k)) if hits in part.comparisons else None,
        paragraph(f"Only {part.n_users} users: read with care.") if part.n_users < FEW else None,
        class_=f"card {class_}",
    )


def _people(part: Part, metric: str, k: int) -> str:
    estimates = part.comparisons[metric].estimates
    before, after = estimates[BEFORE], estimates[MINE]
    what = "among these" if part.name == "tail" else "in the catalog"
    verdict = part.comparisons[metric].direction(MINE, BEFORE)
    beyond = {1: "more, beyond chance", 0: "no difference beyond chance", -1: "fewer, beyond chance"}[verdict]
    return (
        f"Of 1,000 people who took something {what}, {1000 * after.mean:.0f} find one of it among the first {k} shown; "
        f"{1000 * before.mean:.0f} with ALS alone ({beyond})."
    )


def _by_bucket(result: ProtocolResult, metric: str) -> Html:
    found: dict[int, list[str]] = {1: [], 0: [], -1: []}
    few = []
    for bucket in LABELS:
        part = _part(result, bucket, metric)
        if part is not None:
            found[part.comparisons[metric].direction(MINE, BEFORE)].append(bucket)
            few += [bucket] if part.n_users < FEW else []
    rows = [
        tag("li", tag("b", f"{_VERDICTS[verdict][0].capitalize()}: "), ", ".join(buckets) or "none", class_=class_)
        for verdict, buckets in found.items()
        for class_ in (_VERDICTS[verdict][1],)
    ]
    return join(
        [
            tag("h3", "By number of interactions of the items, against ALS alone"),
            tag("ul", rows, class_="verdicts"),
            note(f"Fewer than {FEW} users: {', '.join(few)}. Read these with care.") if few else None,
        ]
    )


def _rivals(result: ProtocolResult, metric: str) -> Html | None:
    """Where another method is better than longtail by more than chance."""
    lost = []
    for part in result.sections:
        comparison = part.comparisons.get(metric)
        if comparison is None or is_part(part.name) or MINE not in comparison.estimates:
            continue
        mine = number(comparison.estimates[MINE].mean)
        lost += [f"{part.name}: {told}, longtail {mine}" for told in _better(comparison)]
    if not lost:
        return note("No other method measured here is better than longtail by more than chance in any of these groups.")
    said = tag("p", tag("b", "Another method is better than longtail, beyond chance, in:"))
    return tag("div", said, tag("ul", (tag("li", text) for text in lost)), class_="warning")


def _better(comparison: Comparison) -> list[str]:
    """Methods other than ALS alone that are better than longtail by more than chance, each with its mean."""
    return [
        f"{name} {number(estimate.mean)}"
        for name, estimate in comparison.estimates.items()
        if name not in (MINE, BEFORE) and comparison.direction(MINE, name) < 0
    ]


def _new_items(result: ProtocolResult) -> Html | None:
    part = result.sections[0]
    metric = f"ndcg@{result.k}"
    comparison = part.comparisons[metric]
    if MINE not in comparison.estimates:
        return None
    mine = comparison.estimates[MINE]
    seeds = result.split.get("seeds", ())
    several = f", as the mean over {len(seeds)} trainings that draw otherwise" if seeds else ""
    others = [
        f"{name} {number(estimate.mean)} ({('worse', 'level', 'better')[1 - comparison.direction(MINE, name)]})"
        for name, estimate in comparison.estimates.items()
        if name != MINE
    ]
    return join(
        [
            tag("h3", "Brand-new items"),
            paragraph(
                f"Items that nothing was learned from, {part.n_candidates:,} of them, ranked among themselves for "
                f"{part.n_users:,} users{several}: longtail {label(metric)} {number(mine.mean)} ({number(mine.low)} to "
                f"{number(mine.high)}). Beside it, and whether that is better, worse or level beyond chance: "
                f"{', '.join(others)}."
            ),
        ]
    )


#: Results that are told elsewhere on the page, with who is better than longtail.
_TOLD = ("tail", "truncated-heads", "relevance")


def _elsewhere(material: Material) -> Html | None:
    """What the other protocols say against ALS alone, losses first, and who is better there than both."""
    found: dict[int, list[str]] = {-1: [], 1: [], 0: []}
    for result in material.evaluation.results:
        metric = f"ndcg@{result.k}"
        for part in result.sections if result.protocol not in _TOLD else ():
            if not is_part(part.name) and _part(result, part.name, metric) is not None:
                comparison = part.comparisons[metric]
                mine, theirs = comparison.estimates[MINE].mean, comparison.estimates[BEFORE].mean
                told = f"{result.protocol}, {part.name}: longtail {number(mine)}, ALS {number(theirs)}"
                better = _better(comparison)
                told += f", but {' and '.join(better)}" if better else ""
                found[comparison.direction(MINE, BEFORE)].append(told)
    if not any(found.values()):
        return None
    losses = None
    if found[-1]:
        said = tag("p", tag("b", "Worse than ALS alone, beyond chance, in other protocols:"))
        losses = tag("div", said, tag("ul", (tag("li", told) for told in found[-1])), class_="warning")
    rest = [
        note(
            f"{word} than ALS alone in: {'; '.join(found[verdict])}." if verdict else f"{word}: {'; '.join(found[0])}."
        )
        for verdict, word in ((1, "Better"), (0, "No difference to ALS alone that can be told in"))
        if found[verdict]
    ]
    return join([tag("h3", "In the other protocols"), losses, rest])


def _meaning(result: ProtocolResult) -> Html:
    tested = result.counts.get("tested pairs")
    cut, cuts = result.split.get("cut"), result.split.get("cuts", ())
    period = f" from {str(cut)[:10]} on" if cut else ""
    period += f", in {len(cuts)} stretches of time with a training before each" if cuts else ""
    seeds = result.split.get("seeds", ())
    period += f", as the mean over {len(seeds)} trainings that draw otherwise" if seeds else ""
    pairs = f"{tested:,} things that users took{period}" if tested is not None else "what users took later"
    again = ", not counting what they had taken before" if result.split.get("exclude_seen") else ""
    return note(
        f"NDCG@{result.k} is 1 where the first {result.k} places hold just what somebody took next, and 0 where they "
        f"hold none of it. Measured on {pairs}{again}, by models that had seen nothing of it; 95% intervals by "
        "bootstrap over users, differences paired. They speak of these users in this period, not of the next season. "
        "Each holds by itself: of twenty comparisons without a true difference, about one stands out."
    )
