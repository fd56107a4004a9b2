import threading

worker_class = 'gthread'
threads = 64
keepalive = 60
loglevel = 'critical'
asked = threading.local()


def pre_request(worker, req):
    """WSGI joins and renames fields; the request itself still has them apart."""
    asked.request = req
    import saw
    saw.asked = asked
