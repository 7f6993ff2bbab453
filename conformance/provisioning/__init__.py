"""Where agents and resources come from: a control topic, lists of ready-made ones, a program, an object written in Python."""
