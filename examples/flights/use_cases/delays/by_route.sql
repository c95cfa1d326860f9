/* tarn
description: A row a route.
keep: full
checks: [{unique: [origin, dest]}]
*/
SELECT origin, dest, any_value(dest_name) AS dest_name, count(*) AS flights, count(arr_delay) AS arrived,
       avg(arr_delay) AS arr_delay_mean, min(distance) AS distance
FROM flights
GROUP BY origin, dest
