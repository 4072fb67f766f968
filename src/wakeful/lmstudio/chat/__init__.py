"""How does one talk with a model? Messages, streamed answers, structured answers, tools."""
