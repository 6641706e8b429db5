"""The kinds of attributes, and the items, that tests ask about."""

from tandemrec.data.attributes import Kind
from tandemrec.prompts.kinds import DALLREC, LLAMA4REC, PAPERS

DIRECTOR, STAR = LLAMA4REC["movie"]
GENRE, PAGES = LLAMA4REC["book"]
WORDS, *FACTS = DALLREC["movie"]
BOTH = [(noun, kind) for known in PAPERS.values() for noun in known for kind in known[noun]]
CUISINE = Kind(name="cuisine", about="the kind of kitchen", examples={"Chez Nous": "French"})
HEAT, EMMA = "Heat (1995)", "Emma by Jane Austen"
