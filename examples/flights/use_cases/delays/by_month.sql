/* tarn
description: A row a month.
keep: full
checks: [{unique: month}, {rows: "<= 12"}]
*/
SELECT month, count(*) AS flights, count(*) - count(arr_delay) AS lost, avg(dep_delay) AS dep_delay_mean,
       avg(arr_delay) AS arr_delay_mean, sum(distance) AS distance
FROM flights
GROUP BY month
