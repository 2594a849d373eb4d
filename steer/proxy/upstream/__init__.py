"""The side of the nodes.

pool         the connections of one worker to one node: taken, queued for, given back
connection   one of them: sends a request's bytes, reads the response strictly, judges whether it may be used again
retry        may this request be tried once more, and does the try cost budget
"""
