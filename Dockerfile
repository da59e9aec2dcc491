# One image for each service: docker build --build-arg SERVICE=logs .
FROM python:3.13-slim

WORKDIR /app
ARG SERVICE
COPY requirements/${SERVICE}.txt requirements.txt
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt

COPY gunicorn.conf.py ./
COPY client/tunedeck_client/version.py client/tunedeck_client/
COPY shared shared
COPY services/__init__.py services/__init__.py
COPY services/${SERVICE} services/${SERVICE}

USER nobody
ENV SERVICE=${SERVICE} HOST=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD exec python -m gunicorn -c gunicorn.conf.py "services.${SERVICE}.app:create_app()"
