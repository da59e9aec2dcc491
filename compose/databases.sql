-- One database for each service: none can touch another's tables.
CREATE DATABASE logs;
CREATE DATABASE models;
CREATE DATABASE evaluations;
