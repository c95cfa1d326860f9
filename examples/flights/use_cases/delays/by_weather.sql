/* tarn
description: How delays grow as it gets harder to see.
keep: full
*/
SELECT CASE WHEN visib >= 10 THEN 'clear' WHEN visib >= 3 THEN 'hazy' ELSE 'foggy' END AS sight,
       coalesce(precip, 0) > 0 AS rain, count(*) AS flights, avg(dep_delay) AS dep_delay_mean,
       avg(arr_delay) AS arr_delay_mean
FROM flights
WHERE weather_known
GROUP BY sight, rain
