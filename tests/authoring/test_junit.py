"""JUnit XML as CI systems read it."""

from xml.etree import ElementTree

from callgate.authoring.junit import junit_text
from callgate.policy.cases import Case, Expectation, Result, Ruled, Ruling
from fakes.calls import a_principal, a_tool


def a_result(name: str, suite: str, *problems: str) -> Result:
    case = Case(
        name=name,
        suite=suite,
        line=7,
        principal=a_principal(),
        tool=a_tool(),
        arguments={},
        facts={},
        now=0.0,
        expected=Expectation(ruling=Ruling.PERMIT),
    )
    ruled = Ruled(ruling=Ruling.REFUSE, reason="forbidden by x")
    return Result(case=case, ruled=ruled, problems=problems)


def test_each_file_is_a_suite_and_each_case_says_how_it_came_out() -> None:
    text = junit_text([a_result("one", "a.yaml"), a_result("two <&>", "a.yaml", "expected it"),
                       a_result("three\x00", "b.yaml")])  # fmt: skip
    root = ElementTree.fromstring(text)

    assert (root.tag, root.attrib) == (
        "testsuites",
        {"tests": "3", "failures": "1", "errors": "0", "name": "callgate policy test"},
    )
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("a.yaml", "2", "1"),
        ("b.yaml", "1", "0"),
    ]
    cases = [case for suite in root for case in suite]
    assert [(case.get("name"), case.get("line")) for case in cases] == [
        ("one", "7"),
        ("two <&>", "7"),
        ("three\\x00", "7"),
    ]
    (failure,) = root.findall(".//failure")
    assert failure.get("message") == "expected it"
    assert failure.text == "expected it\nforbidden by x"
