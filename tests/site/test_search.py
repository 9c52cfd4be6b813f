"""The search finds what people type: a word, and the page that is among the first results for it."""

import pytest

pytestmark = pytest.mark.xdist_group("site")

WORDS = {
    "/": {
        "resume": "faq/",
        "sweep": "faq/",
        "notebook": "faq/",
        "out of memory": "troubleshooting/",
        "mode collapse": "troubleshooting/",
        "nan": "troubleshooting/",
        "loss negative": "troubleshooting/",
        "slow": "troubleshooting/",
        "no gpu": "troubleshooting/",
        "playground": "playground/",
        "discriminator": "glossary/",
        "gradient penalty": "how_it_works/",
        "onednn": "how_it_works/",
        "going on": "runs/",
        "fid": "scores/",
        "ascend": "devices/",
        "own gan": "add_your_own/",
    },
    "/zh/": {
        "判别器": "glossary/",
        "断点续训": "faq/",
        "内存不足": "troubleshooting/",
        "显存": "troubleshooting/",
        "模式坍塌": "troubleshooting/",
        "参数扫描": "faq/",
        "笔记本": "faq/",
        "评测协议": "glossary/",
        "梯度惩罚": "how_it_works/",
        "昇腾": "devices/",
        "在线演示": "playground/",
    },
}
FIRST = 5  # pages that a reader sees


@pytest.fixture(scope="module")
def search(browser, address):
    """``search(start, words)``: the paths of the pages found, best first."""
    pages = {}
    for start in WORDS:
        pages[start] = browser.new_page()
        pages[start].goto(address + start)
        pages[start].locator("[data-md-component=search-query]").click()
        pages[start].wait_for_function(
            "/start searching|开始搜索/.test(document.querySelector('.md-search-result__meta').textContent)"
        )

    def find(start, words):
        page = pages[start]
        page.locator("[data-md-component=search-query]").click()
        page.keyboard.press("Control+A")
        page.keyboard.type(words, delay=20)
        page.keyboard.press(
            "End"
        )  # the search listens to keys, of which text that is put in as by an input method has none
        page.wait_for_timeout(500)  # results follow the typing with a delay
        page.wait_for_function(
            "/\\d|没有|No matching/.test(document.querySelector('.md-search-result__meta').textContent)"
        )
        links = page.locator(".md-search-result__item > .md-search-result__link:first-child")
        found = [link.get_attribute("href") for link in links.all()[:FIRST]]
        return [one.partition("?")[0].removeprefix(address + start) for one in found]

    yield find
    for page in pages.values():
        page.close()


@pytest.mark.parametrize(("start", "words"), [(start, words) for start, known in WORDS.items() for words in known])
def test_the_page_is_found(search, start, words):
    assert WORDS[start][words] in search(start, words)


def test_nonsense_is_not_found(search):
    assert search("/", "xyzzyqwv") == []
