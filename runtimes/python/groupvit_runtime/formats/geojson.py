"""GeoJSON: polygons along the edges of pixels, with holes; QuPath, GIS programs and shapely open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from groupvit_runtime.formats.polygons import edge_polygon
from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.optional import optional


def geojson_document(
    objects: Sequence[SegmentedObject], colors: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """A FeatureCollection in pixels from the image's upper left corner, y downwards; no place on earth.

    Args:
        objects: of the image.
        colors: RGB of each class, 0 to 255.
    """
    with optional("shapely", extra="formats", needed_for="GeoJSON"):
        from shapely.geometry import mapping

    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": mapping(edge_polygon(item)),
                "properties": {
                    # What QuPath reads: https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
                    "objectType": "annotation",
                    "classification": {"name": item.name, "color": list(colors[item.name])},
                    "name": item.name,
                    "area": item.area,
                    "score": item.score,
                },
            }
            for item in objects
        ],
    }
