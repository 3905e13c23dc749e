"""Results of policy cases as JUnit XML, which every CI system shows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree

from callgate.audit.explain import printable
from callgate.policy.cases import Result


def junit_text(results: Iterable[Result]) -> str:
    """One `testsuite` a file, one `testcase` a case."""
    results = list(results)
    root = _element("testsuites", results)
    root.set("name", "callgate policy test")
    for suite, of_suite in groupby(results, key=lambda result: result.case.suite):
        cases = list(of_suite)
        element = _element("testsuite", cases)
        element.set("name", printable(suite))
        element.extend(_case(result) for result in cases)
        root.append(element)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _element(tag: str, results: list[Result]) -> ElementTree.Element:
    failed = sum(not result.is_passed for result in results)
    counts = {"tests": str(len(results)), "failures": str(failed), "errors": "0"}
    return ElementTree.Element(tag, counts)


def _case(result: Result) -> ElementTree.Element:
    case = result.case
    element = ElementTree.Element(
        "testcase",
        {
            "classname": printable(case.suite),
            "name": printable(case.name),
            "file": printable(case.suite),
            "line": str(case.line),
        },
    )
    if not result.is_passed:
        message = printable("; ".join(result.problems))
        failure = ElementTree.SubElement(element, "failure", {"message": message})
        # XML cannot hold every character; what is printable it can.
        failure.text = "\n".join(map(printable, [*result.problems, result.ruled.reason]))
    return element
