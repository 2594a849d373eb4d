"""HTTP without sockets: bytes in, values or bytes out.

    grammar      what RFC 9110 and 9112 allow, as expressions; nothing else in steer knows a regex of HTTP
    head         the head of a request and of a response: read strictly, rewritten for the other side
    framing      where a body ends: by length, by chunks, by the end of the connection
    forwarding   what the edge tells the node about the client, and the client about the edge
    answers      responses that the edge makes itself
    h2           HTTP/2's fields as heads, judged by the same grammar; its frames, budgets and session beside it

`head` is a seam: a compiled kernel may take its place, with the same functions and the same tests. No module here
waits, reads a clock or owns a connection. What is wrong with a message is returned as a `Failure`, never raised.
"""
