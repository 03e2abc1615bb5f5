"""The registry of cities: IATA codes with place, zone, population and bounding box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ucid import _ext
from ucid.errors import UCIDRegistryError, UCIDValidationError

__all__ = [
    "BoundingBox",
    "City",
    "CityRegistry",
    "get_cities_by_coordinates",
    "get_city",
    "get_city_bbox",
    "get_registry_info",
    "list_cities",
    "list_countries",
    "search_cities",
]


class BoundingBox(NamedTuple):
    """Degrees; ``min_lon > max_lon`` crosses the antimeridian."""

    min_lat: float
    min_lon: float
    max_lat: float
    max_lon: float


@dataclass(frozen=True)
class City:
    """A city.

    Attributes
    ----------
    code : str
        Three letters.
    full_name : str
    country : str
        ISO 3166 alpha-2.
    timezone : str
        IANA zone.
    population : int or None
    bbox : BoundingBox or None
    lat, lon : float or None
        Centre, degrees.
    bbox_estimated : bool
        The box is a square about the centre by population, not a published one.
    region : str
    """

    code: str
    full_name: str
    country: str
    timezone: str
    population: int | None = None
    bbox: BoundingBox | tuple[float, float, float, float] | None = None
    lat: float | None = None
    lon: float | None = None
    bbox_estimated: bool = False
    region: str = ""

    def __post_init__(self) -> None:
        if len(self.code) != 3 or not self.code.isascii() or not self.code.isalpha() or not self.code.isupper():
            raise UCIDValidationError(f"city code '{self.code}' is not three capital letters", code="INVALID_CITY")
        if len(self.country) != 2 or not self.country.isascii() or not self.country.isupper():
            raise UCIDValidationError(f"country '{self.country}' is not two capital letters", code="INVALID_FIELD")
        if self.population is not None and self.population < 0:
            raise UCIDValidationError(f"population {self.population} is below 0", code="INVALID_FIELD")
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise UCIDValidationError(f"no time zone '{self.timezone}'", code="INVALID_FIELD") from error


_Row = tuple[str, str, str, str, int, float, float, tuple[float, float, float, float], bool, str, str]


def _city(row: _Row) -> City:
    city = object.__new__(City)  # registry rows were checked when the library was built
    names = ("code", "full_name", "country", "timezone", "population", "lat", "lon")
    fields = dict(zip(names, row, strict=False), bbox=BoundingBox(*row[7]), bbox_estimated=row[8], region=row[9])
    city.__dict__.update(fields)
    return city


class CityRegistry:
    """Cities by code: the built-in ones, and those registered here.

    Examples
    --------
    >>> CityRegistry().get("ist").full_name
    'Istanbul'
    """

    def __init__(self) -> None:
        self._own: dict[str, City] = {}

    def get(self, code: str) -> City:
        """City of a code.

        Parameters
        ----------
        code : str
            In any case.

        Returns
        -------
        City

        Raises
        ------
        UCIDRegistryError
            ``CITY_NOT_FOUND``.

        Examples
        --------
        >>> CityRegistry().get("ist").country
        'TR'
        """
        own = self._own.get(code.upper())
        return own if own is not None else _city(_ext.city_get(code))

    def exists(self, code: str) -> bool:
        """Whether a code is known.

        Parameters
        ----------
        code : str
            In any case.

        Returns
        -------
        bool

        Examples
        --------
        >>> CityRegistry().exists("IST"), CityRegistry().exists("?")
        (True, False)
        """
        try:
            self.get(code)
        except UCIDRegistryError:
            return False
        return True

    def register(self, city: City) -> None:
        """Add a city to this registry, or replace the one with its code.

        Parameters
        ----------
        city : City

        Examples
        --------
        >>> registry = CityRegistry()
        >>> registry.register(City("ZZX", "Nowhere", "XX", "UTC"))
        >>> registry.get("ZZX").full_name
        'Nowhere'
        """
        self._own[city.code] = city

    def list_all(self) -> list[City]:
        """All cities, by code.

        Returns
        -------
        list of City

        Examples
        --------
        >>> CityRegistry().list_all()[0].code
        'AAA'
        """
        cities = {row[0]: _city(row) for row in _ext.city_search("", "")} | self._own
        return [cities[code] for code in sorted(cities)]

    def count(self) -> int:
        """Number of cities.

        Returns
        -------
        int

        Examples
        --------
        >>> CityRegistry().count() > 6000
        True
        """
        return len(self.list_all())


def get_city(code: str) -> City:
    """City of a code.

    Parameters
    ----------
    code : str
        In any case.

    Returns
    -------
    City

    Raises
    ------
    UCIDRegistryError
        ``CITY_NOT_FOUND``.

    Examples
    --------
    >>> city = get_city("IST")
    >>> city.full_name, city.country, city.timezone
    ('Istanbul', 'TR', 'Europe/Istanbul')
    """
    return _city(_ext.city_get(code))


def get_city_bbox(code: str) -> BoundingBox:
    """Bounding box of a city; ``get_city(code).bbox_estimated`` tells whether it is an estimate.

    Parameters
    ----------
    code : str
        In any case.

    Returns
    -------
    BoundingBox
        Degrees.

    Raises
    ------
    UCIDRegistryError
        ``CITY_NOT_FOUND``.

    Examples
    --------
    >>> get_city_bbox("IST")
    BoundingBox(min_lat=40.8, min_lon=28.5, max_lat=41.3, max_lon=29.5)
    """
    return BoundingBox(*_ext.city_get(code)[7])


def list_cities(country: str | None = None) -> list[City]:
    """Cities by code.

    Parameters
    ----------
    country : str, optional
        ISO 3166 alpha-2; default: all.

    Returns
    -------
    list of City

    Examples
    --------
    >>> [city.code for city in list_cities("MC")]
    ['MCM']
    """
    return [_city(row) for row in _ext.city_search("", (country or "").upper())]


def search_cities(text: str, country: str | None = None) -> list[City]:
    """Cities whose code or name fits a text, the best first; case and accents do not count.

    Parameters
    ----------
    text : str
        A code, or a part of a name.
    country : str, optional
        Only of this one; ISO 3166 alpha-2.

    Returns
    -------
    list of City
        That of the code, then names that start with the text, then names that hold it, each by falling population.

    Examples
    --------
    >>> [city.code for city in search_cities("istan", "TR")][0]
    'IST'
    """
    return [_city(row) for row in _ext.city_search(text, (country or "").upper())]


def list_countries() -> list[str]:
    """Countries that have a city.

    Returns
    -------
    list of str
        ISO 3166 alpha-2, ascending.

    Examples
    --------
    >>> "TR" in list_countries()
    True
    """
    return sorted({row[2] for row in _ext.city_search("", "")})


def get_cities_by_coordinates(lat: float, lon: float) -> list[City]:
    """Cities whose bounding box holds a coordinate, the nearest centre first; else the nearest city.

    Parameters
    ----------
    lat, lon : float
        Degrees, WGS 84.

    Returns
    -------
    list of City
        At least one.

    Raises
    ------
    UCIDError
        ``INVALID_COORDINATES``.

    Examples
    --------
    >>> get_cities_by_coordinates(43.7325, 7.4189)[0].code
    'MCM'
    """
    nearest, _ = _ext.city_nearest(lat, lon)
    holding: list[tuple[float, str, _Row]] = []
    for row in _ext.city_search("", ""):
        south, west, north, east = row[7]
        inside = west <= lon <= east if west <= east else lon >= west or lon <= east
        if south <= lat <= north and inside:
            holding.append(((row[5] - lat) ** 2 + (row[6] - lon) ** 2, row[0], row))
    return [_city(row) for _, _, row in sorted(holding)] or [_city(nearest)]


def get_registry_info() -> dict[str, object]:
    """Number of cities and countries, and the sources of the registry.

    Returns
    -------
    dict
        ``cities``, ``countries``, ``sources``.

    Examples
    --------
    >>> get_registry_info()["sources"]
    'OpenTravelData, GeoNames (CC BY 4.0)'
    """
    rows = _ext.city_search("", "")
    return {
        "cities": len(rows),
        "countries": len({row[2] for row in rows}),
        "sources": "OpenTravelData, GeoNames (CC BY 4.0)",
    }
