"""The compiler: from a trained Keras U-Net to a bundle of TFLite pieces.

Everything that the commands ``convert``, ``compare`` and ``inspect`` can is here under one name
each; the submodules are internal. TensorFlow is imported when the first of them works.
"""

from typing import TYPE_CHECKING

from edgeseg.lazy import lazy_exports

if TYPE_CHECKING:
    from edgeseg_converters.compare.bundles import compare_bundles
    from edgeseg_converters.compare.comparison import Comparison
    from edgeseg_converters.compare.plot import write_comparison_plot
    from edgeseg_converters.compare.report import write_comparison_csv
    from edgeseg_converters.compress.recipe import Recipe, read_recipe
    from edgeseg_converters.conversion import convert
    from edgeseg_converters.dry_run import ConversionDryRun, preview_conversion
    from edgeseg_converters.options import ConversionOptions
    from edgeseg_converters.page.converted import write_conversion_page
    from edgeseg_converters.reports.conversion import ConversionReport
    from edgeseg_converters.reports.inspection import Inspection, inspect_model
    from edgeseg_converters.search.goal import SearchGoal
    from edgeseg_converters.search.report import SearchReport
    from edgeseg_converters.search.search import chosen_report, search_recipes

__all__ = [
    "Comparison",
    "ConversionDryRun",
    "ConversionOptions",
    "ConversionReport",
    "Inspection",
    "Recipe",
    "SearchGoal",
    "SearchReport",
    "chosen_report",
    "compare_bundles",
    "convert",
    "inspect_model",
    "preview_conversion",
    "read_recipe",
    "search_recipes",
    "write_comparison_csv",
    "write_comparison_plot",
    "write_conversion_page",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Comparison": "compare.comparison",
        "ConversionDryRun": "dry_run",
        "ConversionOptions": "options",
        "ConversionReport": "reports.conversion",
        "Inspection": "reports.inspection",
        "Recipe": "compress.recipe",
        "SearchGoal": "search.goal",
        "SearchReport": "search.report",
        "chosen_report": "search.search",
        "compare_bundles": "compare.bundles",
        "convert": "conversion",
        "inspect_model": "reports.inspection",
        "preview_conversion": "dry_run",
        "read_recipe": "compress.recipe",
        "search_recipes": "search.search",
        "write_comparison_csv": "compare.report",
        "write_comparison_plot": "compare.plot",
        "write_conversion_page": "page.converted",
    },
)


def __dir__() -> list[str]:
    return __all__
