"""Tells of the request and answers with what it was."""
import base64
import sys
import threading

telling = threading.Lock()
asked = threading.local()


def word(data):
    return b'.' + base64.b64encode(data)


def app(environ, start_response):
    request = asked.request
    head = ''.join(f'{name}: {value}\r\n' for name, value in request.headers).encode('latin1')
    body, whole = b'', b'1'
    try:
        while part := environ['wsgi.input'].read(65536):
            body += part
    except Exception:
        whole = b'0'
    # A client that leaves looks to an app like one that has said all.
    if len(body) < int(environ.get('CONTENT_LENGTH') or 0):
        whole = b'0'
    method, target = request.method.encode('latin1'), request.uri.encode('latin1')
    line = [environ['REMOTE_ADDR'].encode(), word(method), word(target), word(head), word(body), whole]
    with telling:
        sys.stdout.buffer.write(b' '.join(line) + b'\n')
        sys.stdout.buffer.flush()
    saw = base64.urlsafe_b64encode(method + b' ' + target).rstrip(b'=').decode()
    answer = b'%d bytes' % len(body)
    # With a length, and in chunks.
    length = [('Content-Length', str(len(answer)))] if len(body) % 2 else []
    start_response('200 OK', [('X-Saw', saw), ('Content-Type', 'text/plain'), *length])
    return [answer]
