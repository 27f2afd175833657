"""The PDF file as another program reads it: what it says, on every page, and that it is always the same."""

import hashlib
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pypdf
import pytest

from ctc_core.intervals import wilson
from ctc_core.report import words
from ctc_core.report.content import Content, from_json
from ctc_core.report.pdf import render
from ctc_core.report.pictures import stretched, strip
from ctc_core.settings import ROOT
from ctc_core.store.reports import Signature
from tests import made_report


def pages(content: Content, signature: Signature | None, n: int) -> list[str]:
    """Text of each page, blanks as in the file put right."""
    data = render(content, signature, made_report.crops(n) if n else {})
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def test_a_signed_report_says_everything() -> None:
    text = " ".join(pages(made_report.content(), made_report.SIGNATURE, made_report.N))
    for part in (
        "Patient P-017 (role review), cartridge 171651.1.2. Version 2, signed 2026-11-23 10:12 UTC.",
        "mean 21.4 (13.2 to 32.8)", "P(at least 5 in 7.5 ml)", "over 99 %", "of 210 events shown",
        "174 of 175 frames; 1 could not be read and is not counted; 14,702 cells found",
        "64 candidates from P(CTC) 0.5; 171 further CellSearch events",
        "0.6 expected after reading; with 95 % confidence at most 2",
        "0.297 (19 of 64; 95 % interval 0.199 to 0.418)",
        "Anna Müller: 230 decisions, 2026-11-20 to 2026-11-21", "Łukasz Ōno <lab>: 25 decisions, 2026-11-21",
        "10 of 64 (16 %) candidates; 2,000 of 14,702 (14 %) cells", "1.4 (0.0 to 5.0), 95 % interval",
        "402 of 14,702 (3 %) cells, more than usual", "All candidates read twice; <b>conflicts</b> & doubts settled.",
        "The interval rests on Poisson sampling", "Since the map was built: The classifier was fitted again.",
        "ctc-ck-v3-0123456789ab", "xcit-dino-v3-0123456789ab", "svm-0123456789ab, SHA-256 " + "ab" * 32,
        "map-0123456789ab, map-0123456789abcdef", "cd" * 32, "CTC review desk 0.1.0, code 0123456789ab",
        "entry 1234, SHA-256 " + "01" * 32, made_report.content().id,
        "cartid171651p012.tif ends in the middle of a page", "the box lies outside the frame", "all-black:ck",
    ):  # fmt: skip
        assert part in text, part
    assert "DRAFT" not in text


def test_every_counted_ctc_is_shown() -> None:
    data = render(made_report.content(), made_report.SIGNATURE, made_report.crops())
    found = pypdf.PdfReader(io.BytesIO(data)).pages
    pictures = [np.asarray(image.image) for page in found for image in page.images]
    expected = [strip(crop) for crop in made_report.crops().values()]
    assert len(pictures) == made_report.N
    assert sorted(p.tobytes() for p in pictures) == sorted(p.tobytes() for p in expected)
    text = " ".join(" ".join(page.extract_text().split()) for page in found)
    for i in range(made_report.N):
        picture = made_report.picture(i)
        title = f"event r{i} (no cell" if picture.diameter_um is None else picture.candidate_id
        assert f"{i + 1} " in text and title in text
    assert "frame 2, x 341, y 512; 12.4 µm; P(CTC) 0.93" in text
    assert "mean grey value DAPI 612, CK 905, CD45 41 CellSearch: not shown; read by Anna Müller, Łukasz Ōno" in text


@pytest.mark.parametrize("n", [0, 1, 2, 45])
def test_every_page_bears_its_state_and_the_notice(n: int) -> None:
    draft, signed = (pages(made_report.content(n), s, n) for s in (None, made_report.SIGNATURE))
    assert len(draft) == len(signed) == {0: 2, 1: 2, 2: 2, 45: 6}[n]
    for i, (one, other) in enumerate(zip(draft, signed, strict=True), start=1):
        assert words.RESEARCH in one and words.RESEARCH in other
        assert f"Page {i} of {len(draft)}" in one
        assert "DRAFT, not signed" in one and one.count("DRAFT") == 2
        assert "DRAFT" not in other and "Version 2" in other


def test_a_report_without_anything() -> None:
    (text,) = pages(made_report.bare_content(), None, 0)
    for part in (
        "0 further CellSearch events; there was no classifier, so no cell was a candidate",
        "nothing decided yet", "nobody yet", "mean not known",
        "There is no map yet. Build one", "None: no cell was confirmed as a CTC.",
        "the count is 0 because nobody has read the cartridge", "This is a draft. Nobody answers for it",
    ):  # fmt: skip
        assert part in text, part


def test_the_same_content_gives_the_same_file() -> None:
    """Also in another process, where hashes and clock are others; the file's date is that of the signature."""
    data = render(made_report.content(5), made_report.SIGNATURE, made_report.crops(5))
    program = """
import hashlib
from ctc_core.report.content import from_json
from ctc_core.report.pdf import render
from tests import made_report as m
content = from_json(m.content(5).to_json())
print(hashlib.sha256(render(content, m.SIGNATURE, m.crops(5))).hexdigest())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest()
    about = pypdf.PdfReader(io.BytesIO(data)).metadata
    assert about is not None and about["/CreationDate"] == "D:20261123101200+00'00'"
    assert (about.author, about.subject) == ("Anna Müller", words.RESEARCH)
    assert render(made_report.content(5), None, made_report.crops(5)) != data


def test_neighbours_that_may_be_one_cell_stand_below_the_count() -> None:
    """By the numbers of their pictures, and again at the signature: whoever signed answers for them."""
    content = made_report.close_content()
    told = (
        "Perhaps counted twice: the counted CTCs 5 and 6 (0.4 µm), 1 and 2 (6.6 µm) lie closer to each other than most"
        " CTCs are wide, and may show one cell. The count is not lowered for it."
    )
    assert words.counted_twice(content) == told
    first, *_ = pages(content, made_report.SIGNATURE, 6)
    assert 0 < first.index("of 210 events shown") < first.index(told) < first.index("Predictive value, desk")
    assert f"Close pairs {words.DISTINCT}" in first
    draft = " ".join(pages(content, None, 6))
    assert told in draft and words.DISTINCT not in draft
    assert "counted twice" not in " ".join(pages(made_report.content(), made_report.SIGNATURE, made_report.N))
    crops = made_report.crops(6)
    signed = render(content, made_report.SIGNATURE, crops)
    assert render(from_json(content.to_json()), made_report.SIGNATURE, crops) == signed


def test_content_survives_its_file() -> None:
    for content in (made_report.content(), made_report.bare_content(), made_report.close_content()):
        assert from_json(content.to_json()) == content
        assert from_json(content.to_json()).id == content.id
    other = replace(made_report.content(), why_not_trusted="x")
    assert other.id != made_report.content().id


def test_probabilities_are_never_rounded_to_certainty() -> None:
    assert [words.percent(p) for p in (1.0, 0.996, 0.99, 0.5, 0.004, 0.0, None)] == [
        "over 99 %", "over 99 %", "99 %", "50 %", "under 1 %", "under 1 %", "not known",
    ]  # fmt: skip
    assert words.proportion(wilson(0, 4)) == "0.000 (0 of 4; 95 % interval 0.000 to 0.490)"


def test_pictures_never_amplify_noise_much() -> None:
    noise = np.random.default_rng(0).integers(20, 40, (48, 48)).astype(np.uint8)
    assert int(stretched(noise).max()) < 70  # 20 grey levels, 3.2 times
    strong = noise.copy()
    strong[20:30, 20:30] = 220
    assert stretched(strong)[25, 25] == 255 and stretched(strong)[0, 0] < 30
    row = strip(np.stack([strong, noise, noise]))
    assert row.shape == (48, 198, 3) and (row[:, 48:50] == 255).all()
    assert row[25, 25].tolist()[0] == 255 and row[25, 25, 1] < 70  # DAPI is magenta in the composite
