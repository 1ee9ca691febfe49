CREATE SCHEMA "wild life";
CREATE TYPE "wild life".diet AS ENUM ('MEAT', 'plants and such');
CREATE TABLE "Keeper" (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE "wild life"."animal FROM, SELECT" (
  "animal id" serial PRIMARY KEY,
  "tag (no" text NOT NULL UNIQUE,
  name text,
  diet "wild life".diet NOT NULL DEFAULT 'MEAT',
  weight numeric(12, 4) NOT NULL DEFAULT 0,
  genome bigint NOT NULL DEFAULT 0,
  photo bytea,
  traits jsonb NOT NULL DEFAULT '{}',
  born timestamptz(3) NOT NULL DEFAULT now(),
  mood text[],
  mother int REFERENCES "wild life"."animal FROM, SELECT",
  "keeperId" int REFERENCES "Keeper"
);
CREATE TABLE "Stay" (
  "animalId" int NOT NULL REFERENCES "wild life"."animal FROM, SELECT",
  cage int NOT NULL,
  nights int NOT NULL DEFAULT 1,
  PRIMARY KEY ("animalId", cage),
  UNIQUE (cage, nights)
);
CREATE TABLE "wild life"."chore WHERE, LIMIT" (
  "animal id" int NOT NULL REFERENCES "wild life"."animal FROM, SELECT",
  "what (WHERE" text NOT NULL,
  "tries LIMIT" int NOT NULL DEFAULT 0,
  "busy ORDER BY" timestamp(3),
  done timestamptz(6),
  "not before" timestamp(6),
  "gave up" timestamp(3),
  "what went wrong" text,
  PRIMARY KEY ("animal id", "what (WHERE")
);
CREATE TABLE "wild life"."record ON CONFLICT" (
  "what for" text NOT NULL,
  "key SELECT" text NOT NULL,
  hash text NOT NULL,
  "result (" jsonb NOT NULL,
  "since ORDER BY" timestamp(3) NOT NULL,
  PRIMARY KEY ("what for", "key SELECT")
);
