"""Which kinds of attributes are looked for: those named, and not what is there or cannot be."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from augment.test_attributes import DIRECTOR, FILMS, last, saying, table, values
from tandemrec.augment.attributes import (
    LACKING,
    THERE,
    AttributesConfig,
    attributes,
    check_attributes,
)
from tandemrec.data.attributes import MODEL, TABLE, UNKNOWN, Attributes, Kind
from tandemrec.errors import ConfigError, DataError
from tandemrec.prompts.kinds import LLAMA4REC, PAPERS


@pytest.mark.parametrize("column", ["director", "Director"])
def test_what_the_catalogue_has_already_is_not_asked_for(column: str) -> None:
    films = replace(FILMS, items=pl.DataFrame({column: ["Ann Lee"] * 4}))
    llm = saying(*[lambda asked: "Al Pacino" if "Heat" in asked else "unknown"] * 2)
    found = attributes(films, "movie", llm, AttributesConfig(), as_fields=True)
    assert found.left_out == {"director": THERE} and [kind.name for kind in found.kinds] == ["star"]
    assert not any("irector" in last(prompt) for prompt, _ in llm.log)
    assert found.joined(films).items.columns == [column, "star"]
    content = attributes(films, "movie", llm, AttributesConfig())
    assert content.kinds == LLAMA4REC["movie"] and content.left_out == {}
    with pytest.raises(ConfigError, match=f"has a column '{column}' already"):
        content.joined(films)


@pytest.mark.parametrize("source", ["model", "table", "both"])
def test_where_every_kind_is_there_nobody_is_asked(source: str, tmp_path: Path) -> None:
    films = replace(FILMS, items=pl.DataFrame({"director": ["Ann Lee"] * 4}))
    config = AttributesConfig(kinds=DIRECTOR, source=source, table=table(tmp_path))
    check_attributes(films, "movie", config, as_fields=True)
    found = attributes(films, "movie", None, config, as_fields=True)
    assert (found.kinds, found.left_out) == ((), {"director": THERE})


def test_a_table_of_directors_alone_is_enough_unless_stars_are_named(tmp_path: Path) -> None:
    config = AttributesConfig(source="table", table=table(tmp_path))
    check_attributes(FILMS, "movie", config)
    found = attributes(FILMS, "movie", None, config)
    assert found.kinds == DIRECTOR and found.left_out == {"star": LACKING}
    assert values(found) == ["Ann Lee", UNKNOWN, UNKNOWN, "Ridley Scott"]
    found.save(tmp_path)
    assert Attributes.load(tmp_path).left_out == found.left_out
    named = config.model_copy(update={"kinds": LLAMA4REC["movie"]})
    for look in (lambda: attributes(FILMS, "movie", None, named), lambda: checked(named)):
        with pytest.raises(DataError, match=r"column 'star'.*leave it out \(attributes\.kinds"):
            look()


def checked(config: AttributesConfig) -> None:
    check_attributes(FILMS, "movie", config)


def test_a_table_of_nothing_that_is_looked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text("title,colour\nHeat,blue\nFargo,white\n")
    with pytest.raises(DataError, match="no column of the director"):
        checked(AttributesConfig(source="table", table=str(tmp_path / "films.csv")))


def test_of_what_the_table_has_no_column_the_model_is_asked(tmp_path: Path) -> None:
    llm = saying(*[lambda asked: "Al Pacino" if "Heat" in asked else "unknown"] * 2)
    config = AttributesConfig(source="both", table=table(tmp_path))
    found = attributes(FILMS, "movie", llm, config)
    assert found.counts["director"] == {TABLE: 2, UNKNOWN: 2} and found.left_out == {}
    assert found.counts["star"] == {MODEL: 1, UNKNOWN: 3} and found.asked == 2 * (2 + 4)


def test_kinds_may_be_given_by_name() -> None:
    config = AttributesConfig(kinds=["director", {"name": "sort", "about": "the sort"}])
    assert config.kinds == (*DIRECTOR, Kind(name="sort", about="the sort"))
    assert AttributesConfig.model_validate(config.model_dump(mode="json")) == config
    for kinds in PAPERS.values():
        for kind in kinds["movie"]:
            assert AttributesConfig(kinds=[kind.name]).kinds == (kind,)
    with pytest.raises(ConfigError, match=r"'kinds'.*no kind 'directr'.*director.*pages.*star"):
        AttributesConfig(kinds=["directr"])
    with pytest.raises(ConfigError, match="'kinds'"):
        AttributesConfig(kinds="director")
