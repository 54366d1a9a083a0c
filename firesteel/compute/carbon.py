"""Carbon intensity of electricity: grams of CO2 equivalent for a kilowatt-hour, by country.

Yearly means of 2023 as bundled by CodeCarbon 3 (from Our World in Data / Ember); its world mean where a country is not
listed.
"""

from __future__ import annotations

from dataclasses import dataclass

WORLD = 475.0  # gCO2e/kWh

INTENSITY = {  # ISO 3166 alpha-3 -> gCO2e/kWh
    "ARG": 354.1, "AUS": 548.7, "AUT": 110.8, "BEL": 138.1, "BGD": 691.4, "BGR": 335.3, "BIH": 600.0, "BOL": 531.7,
    "BRA": 98.3, "CAN": 170.0, "CHE": 34.8, "CHL": 291.1, "CHN": 582.3, "COL": 259.5, "CRI": 53.4, "CYP": 534.3,
    "CZE": 449.7, "DEU": 381.0, "DNK": 151.7, "ECU": 150.2, "EGY": 570.3, "ESP": 174.1, "EST": 416.7, "FIN": 79.2,
    "FRA": 56.0, "GBR": 237.6, "GEO": 167.6, "GRC": 336.6, "HRV": 205.0, "HUN": 204.2, "IND": 713.4, "IRL": 290.8,
    "IRN": 655.1, "ITA": 330.7, "JPN": 485.4, "KAZ": 821.4, "KEN": 70.5, "KOR": 430.6, "KWT": 649.2, "LTU": 160.1,
    "LUX": 105.3, "LVA": 123.2, "MAR": 630.0, "MDA": 643.5, "MEX": 507.2, "MKD": 565.3, "MLT": 459.1, "MMR": 398.9,
    "MNE": 417.1, "MNG": 775.3, "NGA": 523.2, "NLD": 267.6, "NOR": 30.1, "NZL": 112.8, "OMN": 564.6, "PAK": 440.6,
    "PER": 266.5, "PHL": 610.7, "POL": 661.9, "PRT": 165.6, "PRY": 23.8, "QAT": 602.5, "ROU": 240.6, "RUS": 441.0,
    "SGP": 470.8, "SLV": 271.5, "SRB": 636.1, "SVK": 116.8, "SVN": 231.3, "SWE": 40.7, "THA": 549.6, "TUN": 564.0,
    "TUR": 464.6, "TWN": 642.4, "URY": 128.8, "USA": 369.5, "VNM": 475.4, "ZAF": 707.7,
}  # fmt: skip


@dataclass(frozen=True)
class Carbon:
    """An intensity in gCO2e/kWh, and `note`: how it was found."""

    intensity: float
    note: str

    def grams(self, kwh: float) -> float:
        """gCO2e of `kwh` kilowatt-hours."""
        return kwh * self.intensity


def carbon(country: str) -> Carbon:
    """The intensity of a country; the world's mean, and a note that says so, for one that is not in the table."""
    known = INTENSITY.get(country.upper())
    if known is not None:
        return Carbon(known, f"{known:g} gCO2e/kWh, {country.upper()} 2023")
    return Carbon(WORLD, f"{WORLD:g} gCO2e/kWh, world mean: there is no 2023 figure for '{country}'")
