"""What a map of structures weighs on a page without a network, by libraries and by the pages of mlipselect.

The same points, with their names under the pointer and two quantities to colour by, by each library that is installed:
``pip install plotly bokeh altair vl-convert-python``. Prints the size of the page, the time to write it and the peak
memory of the process, one process each.

    python benches/pages/libraries.py
    python benches/pages/libraries.py --points 100 20000
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import time

import numpy as np


def make(n: int):
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, n)), [f"pool.xyz, frame {k}" for k in range(n)]


def plotly(n: int) -> str:
    import plotly.graph_objects as go

    (x, y, left, energy), names = make(n)
    figure = go.Figure(go.Scattergl(x=x, y=y, mode="markers", text=names, marker={"color": left}))
    buttons = [
        {"label": label, "method": "restyle", "args": ["marker.color", [values.tolist()]]}
        for label, values in (("left", left), ("energy", energy))
    ]
    figure.update_layout(updatemenus=[{"buttons": buttons}])
    return figure.to_html(include_plotlyjs=True)


def bokeh(n: int) -> str:
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, CustomJS, Select
    from bokeh.plotting import figure
    from bokeh.resources import INLINE
    from bokeh.transform import linear_cmap

    (x, y, left, energy), names = make(n)
    source = ColumnDataSource({"x": x, "y": y, "left": left, "energy": energy, "name": names})
    shown = figure(tooltips=[("frame", "@name")], sizing_mode="stretch_width")
    points = shown.scatter("x", "y", source=source, color=linear_cmap("left", "Viridis256", -2, 2))
    choice = Select(options=["left", "energy"], value="left")
    code = "points.glyph.fill_color = {...points.glyph.fill_color, field: this.value}"
    choice.js_on_change("value", CustomJS(args={"points": points}, code=code))
    return file_html(column(choice, shown), INLINE)


def altair(n: int) -> str:
    import altair as alt

    alt.data_transformers.disable_max_rows()
    values, names = make(n)
    rows = [
        dict(zip(("x", "y", "left", "energy", "name"), (*own, name), strict=True))
        for own, name in zip(values.T.tolist(), names, strict=True)
    ]
    by = alt.param(value="left", bind=alt.binding_select(options=["left", "energy"]), name="by")
    chart = (
        alt.Chart(alt.Data(values=rows))
        .transform_calculate(shown="datum[by]")
        .mark_point()
        .encode(x="x:Q", y="y:Q", color="shown:Q", tooltip="name:N")
        .add_params(by)
    )
    page = io.StringIO()
    chart.save(page, format="html", inline=True)
    return page.getvalue()


def own(n: int) -> str:
    from mlipselect.report.map_data import packed
    from mlipselect.report.page import page

    (x, y, left, energy), _ = make(n)
    places = np.column_stack([x, y])
    places = (places - places.min(axis=0)) / np.ptp(places, axis=0) * 65535
    points = {
        "xy": packed(np.rint(places), "u2"),
        "group": packed(np.zeros(n), "u1"),
        "file": packed(np.zeros(n), "i4"),
        "frame": packed(np.arange(n), "i4"),
        "atoms": packed(np.ones(n), "i4"),
        "left": packed(left, "f4"),
        "energy": packed(energy, "f4"),
    }
    data = {"files": ["pool.xyz"], "energyKey": "energy", "points": points}
    return page("Map", [("map", "Map", "<canvas id='map-canvas'></canvas>")], data)


WAYS = {"plotly": plotly, "bokeh": bokeh, "altair": altair, "own": own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 10_000])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        start = time.perf_counter()
        text = WAYS[options.way](options.points[0])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{len(text.encode()) / 1e6:9.2f} {time.perf_counter() - start:8.2f} {peak:9.0f}")
        return
    print(f"{'page by':>8} {'points':>8} {'size, MB':>9} {'time, s':>8} {'memory, MB':>9}")
    for n in options.points:
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--points", str(n)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            last = done.stderr.strip().splitlines()[-1:]
            print(f"{way:>8} {n:>8} {done.stdout.rstrip() if done.returncode == 0 else f'  {last[0]}'}")


if __name__ == "__main__":
    main()
