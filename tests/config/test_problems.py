from callgate.config.problems import ConfigError, Problem, dotted


def test_a_path_reads_as_people_write_it() -> None:
    assert dotted(("identity", "jwt", 0, "issuer")) == "identity.jwt[0].issuer"
    assert dotted(()) == ""


def test_all_problems_are_said_in_file_order() -> None:
    late = Problem.at("c.yaml", (9, 3), ("b",), "is wrong")
    early = Problem.at("c.yaml", (2, 1), (), "is empty")
    error = ConfigError([late, early])
    assert error.problems == (early, late)
    assert str(error) == "c.yaml:2:1: is empty\nc.yaml:9:3: b: is wrong"
