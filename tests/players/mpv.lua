-- Prints mpv's position in seconds, and the frames that it has dropped, often enough to see a stall.

mp.add_periodic_timer(0.05, function()
  local position = mp.get_property_native("time-pos")
  local dropped = mp.get_property_native("frame-drop-count") or 0
  if position then
    print(string.format("position %.3f dropped %d", position, dropped))
  end
end)
