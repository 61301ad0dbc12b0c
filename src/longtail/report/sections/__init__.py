"""The page's parts, one a file: each turns `longtail.report.section.Material` into a `Section`."""
