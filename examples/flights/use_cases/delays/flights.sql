/* tarn
description: Every flight with its plane, airports and weather.
keep: merge
key: [carrier, flight, origin, time_hour]
cache: yes
columns:
  tailnum: {description: Registration of the plane}
  arr_delay: {description: "Minutes late at the gate, negative when early, empty when it never arrived"}
  plane_known: {description: Whether the registry knows the plane}
checks:
  - {not_null: [carrier, origin, dest]}
  - {unique: [carrier, flight, origin, time_hour]}
  - {rows: ">= 300000"}
  - {expression: "distance > 0"}
*/
SELECT f.year, f.month, f.day, f.dep_time, f.sched_dep_time, f.dep_delay, f.arr_time, f.sched_arr_time, f.arr_delay,
       f.carrier, f.flight, f.tailnum, f.origin, f.dest, f.air_time, f.distance, f.hour, f.minute, f.time_hour,
       a.name AS carrier_name, p.model AS plane_model, p.year AS plane_year, d.name AS dest_name,
       w.temp, w.wind_speed, w.precip, w.visib,
       p.tailnum IS NOT NULL AS plane_known, d.faa IS NOT NULL AS dest_known, w.origin IS NOT NULL AS weather_known
FROM raw_flights.flights f
LEFT JOIN raw_registry.airlines a ON a.carrier = f.carrier
LEFT JOIN raw_registry.planes p ON p.tailnum = f.tailnum
LEFT JOIN raw_registry.airports d ON d.faa = f.dest
LEFT JOIN raw_weather.weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
