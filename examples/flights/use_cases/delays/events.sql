/* tarn
description: Departures, arrivals and cancellations, as they are told.
keep: append
since: _load
checks:
  - {not_null: [event, time, carrier, flight]}
  - {unique: _offset}
*/
SELECT event, time, carrier, flight, origin, dest, tailnum, delay, _offset, _load
FROM raw_events.flight_events
