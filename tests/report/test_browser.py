"""The page of a report in a real browser: what it looks like, loads and does.

Debian's Chromium, driven by Playwright. TEST_BROWSER names another; where it is set, as in CI,
there has to be one. Screenshots are left in build/screenshots.
"""

import os
import shutil

import made_up
import pytest
from command_line import ROOT

from recsys.report.page import page as page_of

playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("vl_convert", reason="needs recsys[report]")

pytestmark = pytest.mark.slow  # a browser is started
SHOTS = ROOT / "build" / "screenshots"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    path = shutil.which(os.environ.get("TEST_BROWSER", "chromium"))
    if path is None and "TEST_BROWSER" not in os.environ:
        pytest.skip("there is no chromium: apt-get install chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=as_root)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A page of everything there can be, and one of the least."""
    folder = tmp_path_factory.mktemp("report")
    for name in ("compared", "things"):
        folder.joinpath(f"{name}.html").write_text(page_of(getattr(made_up, name)()), "utf-8")
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a page as asked; nothing it does may be loaded from elsewhere or complained of."""
    seen, contexts = [], []

    def open_page(name="compared", viewport=DESKTOP, **how):
        contexts.append(browser.new_context(viewport=viewport, **how))
        tab = contexts[-1].new_page()
        tab.on("console", lambda said: seen.append(said.text))
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.on("request", lambda request: seen.append(request.url))
        tab.goto(files.joinpath(f"{name}.html").as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in seen if not each.endswith((".html", ".html#map"))] == []


def nearest(tab):
    return tab.locator("#chosen").inner_text(), tab.locator("#near button").all_inner_texts()


def paper(tab):
    """How light the ground is: the sum of red, green and blue."""
    found = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, found[4:-1].split(",")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280", "390"])
@pytest.mark.parametrize("name", ["compared", "things"])
def test_every_section_has_its_picture_and_fits_the_width(opened, name, size, scheme):
    tab = opened(name, size, color_scheme=scheme)
    sections = tab.locator("section")
    for n in range(sections.count()):
        assert sections.nth(n).locator("svg:visible, canvas:visible").count(), n
    assert tab.evaluate("document.documentElement.scrollWidth") == size["width"]
    SHOTS.mkdir(parents=True, exist_ok=True)
    shot = SHOTS / f"{name}-{size['width']}-{scheme}.png"
    tab.screenshot(path=shot, full_page=True)
    print(shot)
    assert (paper(tab) < 128 * 3) == (scheme == "dark")


def test_a_title_is_found_by_keys_and_shows_its_ten_nearest(opened):
    tab = opened()
    facts = made_up.films()["map"]
    tab.focus("#search")
    tab.keyboard.type("film 4")
    found = tab.locator("#found li")
    assert found.count() == 8
    assert tab.get_attribute("#search", "aria-activedescendant") == "found-0"
    tab.keyboard.press("ArrowDown")
    title = found.nth(1).inner_text()
    assert tab.locator("#found [aria-selected=true]").inner_text() == title
    tab.keyboard.press("Enter")
    here = facts["title"].index(title)
    assert nearest(tab) == (title, [facts["title"][i] for i in facts["nearest"][here]])
    assert not tab.locator("#found").is_visible()
    tab.locator("#near button").first.click()
    assert nearest(tab)[0] == facts["title"][facts["nearest"][here][0]]
    tab.fill("#search", "amelie")  # without its accent
    tab.keyboard.press("Enter")
    assert nearest(tab)[0] == "Amélie ${title} $style"


@pytest.mark.parametrize("touch", [False, True])
def test_a_point_is_chosen_by_pointer_finger_and_arrows(opened, touch):
    tab = opened(has_touch=touch)
    facts, canvas = made_up.films()["map"], tab.locator("#canvas")
    box, at = canvas.bounding_box(), {}
    for axis, side, up in (("x", "width", 1), ("y", "height", -1)):
        low, high = min(facts[axis]), max(facts[axis])
        from_middle = (facts[axis][42] - low) / (high - low) - 0.5
        at[axis] = box[side] * (0.5 + 0.94 * up * from_middle)
    canvas.scroll_into_view_if_needed()
    tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    if touch:
        canvas.tap(position=at)
    else:
        canvas.hover(position=at)
        canvas.hover(position=at)
        assert tab.locator("#tip").inner_text().startswith("Film 42\n")
        canvas.click(position=at)
    assert nearest(tab)[0] == "Film 42"
    canvas.focus()
    for key in ("ArrowRight", "ArrowUp", "+", "-", "0"):
        tab.keyboard.press(key)
    assert nearest(tab)[0] != "Film 42"
    for name in ("Closer", "Farther", "The whole map"):
        tab.get_by_role("button", name=name).click()


def test_colours_switch_and_the_legend_shows_one_group_alone(opened):
    tab = opened()
    for by, first in (("decade", "until 1949"), ("popularity", "top tenth"), ("genre", "Horror")):
        tab.get_by_label(by, exact=True).check()
        entries = tab.locator("#legend button")
        assert by == "genre" or entries.first.inner_text() == first
    entries.first.click()
    assert entries.first.get_attribute("aria-pressed") == "true"


def test_hostile_titles_do_nothing(opened):
    tab = opened()
    assert tab.title() == "shop </title>: recsys report"
    assert tab.locator("main script").count() == 1  # the data of the map
    assert tab.locator("img").count() == 0
    tab.fill("#search", "script")
    tab.keyboard.press("Enter")
    assert nearest(tab)[0] in made_up.HOSTILE
    assert tab.evaluate("document.title") == "shop </title>: recsys report"


def test_it_says_the_same_without_scripts_and_in_print(opened):
    bare = opened(java_script_enabled=False)
    assert bare.locator("#map .sheet svg").is_visible()
    assert not bare.locator("#search").is_visible()
    printed = opened(color_scheme="dark")
    printed.emulate_media(media="print", color_scheme="dark")
    assert printed.locator("#map .sheet svg").is_visible()
    assert paper(printed) > 128 * 3
