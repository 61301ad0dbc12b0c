"""Options that several commands have, said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

K = Annotated[int, typer.Option("-k", min=1, help="How many at most.")]
Where = Annotated[
    str | None,
    typer.Option("--where", help='A condition in SQL over the catalog\'s columns, such as "price < 5".'),
]
OnePer = Annotated[
    str | None, typer.Option("--one-per", metavar="COLUMN", help="At most one item of each value of this column.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Fallback = Annotated[
    bool, typer.Option("--fallback", help="Answer an unknown id with popular items instead of an error.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Folder that relative files start from, instead of the recipe's data_dir."
    ),
]
Cache = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Where encoded content is kept between runs.")
]
AllowNetwork = Annotated[
    bool, typer.Option("--allow-network", help="Fetch pretrained models that the recipe names by their hub name.")
]
