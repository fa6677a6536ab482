"""Published pharmacokinetics of tocilizumab: those of `tocilizumab_moes2022`, from which CL and V were taken."""

from dataclasses import replace

from pkpd.library import content_of, load_model

published = tuple(
    replace(row, key=row.key.replace("moes2022", "linear"), used="CL, V")
    for row in content_of(load_model("tocilizumab_moes2022"), "published")[""]
)
