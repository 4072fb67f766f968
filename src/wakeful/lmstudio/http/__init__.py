"""How are requests and answers carried? Connections, deadlines, events of a stream, errors by kind."""
