-- Prints mpv's position in seconds, and the frames that it has dropped, often enough to see a stall; and what mpv itself warns of, which
-- it writes where it writes all else.

mp.add_periodic_timer(0.05, function()
  local position = mp.get_property_native("time-pos")
  local dropped = mp.get_property_native("frame-drop-count") or 0
  if position then
    print(string.format("position %.3f dropped %d", position, dropped))
  end
end)

mp.enable_messages("warn")
mp.register_event("log-message", function(message)
  print(string.format("said %s: %s", message.prefix, message.text))
end)
