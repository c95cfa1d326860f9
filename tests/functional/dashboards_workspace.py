"""The workspace of the dashboards' tests: a shop with every kind of tile, and one full of names that want to be run."""

from pathlib import Path

from tarn_program import write_files

MARKUP = "<img src=x onerror=window.hacked=1>"
FORMULA = "=HYPERLINK(1)"
SCRIPT_LINK = "javascript:window.hacked=1"

FILES = Path(__file__).parent / "dashboards"
GALLERY = (FILES / "gallery.dashboard.yaml").read_text()
HOSTILE = (FILES / "hostile.dashboard.yaml").read_text()
for name, what in {"MARKUP": MARKUP, "FORMULA": FORMULA, "SCRIPT_LINK": SCRIPT_LINK}.items():
    HOSTILE = HOSTILE.replace(name, what)


def square(zone, west, south):
    ring = [[west, south], [west, south + 5], [west + 5, south + 5], [west + 5, south], [west, south]]
    return ('{"type": "Feature", "properties": {"zone": "%s"}, "geometry": {"type": "Polygon", "coordinates": [%s]}}'
            % (zone, ring))


def shapes(*features):
    return '{"type": "FeatureCollection", "features": [%s]}' % ", ".join(features)


ORDERS = """/* tarn
description: What was ordered.
keep: full
*/
SELECT id, CAST(ordered_at AS TIMESTAMPTZ) AS ordered_at, country, item, price, weight FROM raw_orders.orders
"""
PLACES = """/* tarn
keep: full
*/
SELECT * FROM (VALUES ('Zürich', 8.54, 47.37, 40), ('Genève', 6.14, 46.2, 25), ('Lugano', 8.95, 46.0, 8))
    AS t(name, lon, lat, orders)
"""
POLICY = """roles:
  swiss:
    members: [user:heidi]
    allow:
      - {actions: ["table:Read"], resources: ["shop.*", "raw_orders.*"]}
      - {actions: ["dashboard:Read"], resources: ["shop.*"]}
row_filters: [{role: swiss, table: shop.orders, where: "country = 'CH'"}]
"""
# Nobody takes its mail: a private address, which is refused.
SENT = """title: Sent
tiles: [{number: SELECT count(*) FROM shop.orders, title: Orders}]
reports:
  - {name: monday, cron: "0 7 * * mon", time_zone: Europe/Zurich, to: [ops@example.org, boss@example.org], as: admin}
"""
CHANNELS = """channels:
  post: {mail: {host: 127.0.0.1, port: 25, tls: none, from: tarn@example.org, to: [ops@example.org]}, retry_for: 1s}
"""
COUNTRIES = ["CH", "DE", "FR", "US", "BR", "IN", "JP", "AU"]
ITEMS = ["pen", "ink", "paper"]


def write_shop(folder, orders=2000):
    rows = [f"{i},2026-03-{1 + i % 28:02}T{i % 24:02}:30:00Z,{COUNTRIES[i * i % 8]},{ITEMS[i % 3]},{1 + i % 17}.5,"
            f"{i % 90}" for i in range(orders)]
    write_files(folder, {
        "tarn.yaml": "name: shop\n",
        "sources/orders.yaml": "kind: files\npath: ./inbox/*.csv\nstreams: {orders: {format: csv}}\n",
        "inbox/orders.csv": "\n".join(["id,ordered_at,country,item,price,weight", *rows]) + "\n",
        "use_cases/shop/orders.sql": ORDERS,
        "use_cases/shop/places.sql": PLACES,
        "use_cases/shop/gallery.dashboard.yaml": GALLERY,
        "use_cases/shop/hostile.dashboard.yaml": HOSTILE,
        "use_cases/shop/zones.geojson": shapes(square("north", 5, 50), square("south", 5, 44), square("west", 0, 47)),
        "use_cases/shop/evil.geojson": shapes(square(MARKUP, 5, 50), square("b", 12, 50)),
        "policies/swiss.yaml": POLICY,
    })
