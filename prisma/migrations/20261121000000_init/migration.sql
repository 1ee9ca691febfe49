-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "WalletEntryKind" AS ENUM ('CREDIT', 'WITHDRAWAL');

-- CreateTable
CREATE TABLE "User" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SignIn" (
    "id" SERIAL NOT NULL,
    "userId" INTEGER NOT NULL,
    "day" DATE NOT NULL,
    "signedInAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "SignIn_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ReadingQuota" (
    "userId" INTEGER NOT NULL,
    "remaining" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "ReadingQuota_pkey" PRIMARY KEY ("userId")
);

-- CreateTable
CREATE TABLE "ReadingQuotaChange" (
    "id" SERIAL NOT NULL,
    "userId" INTEGER NOT NULL,
    "delta" INTEGER NOT NULL,
    "remaining" INTEGER NOT NULL,
    "reason" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ReadingQuotaChange_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Wallet" (
    "id" SERIAL NOT NULL,
    "userId" INTEGER NOT NULL,
    "balance" DECIMAL(18,2) NOT NULL DEFAULT 0,

    CONSTRAINT "Wallet_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WalletEntry" (
    "id" BIGSERIAL NOT NULL,
    "walletId" INTEGER NOT NULL,
    "kind" "WalletEntryKind" NOT NULL,
    "amount" DECIMAL(18,2) NOT NULL,
    "balance" DECIMAL(18,2) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "WalletEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Coupon" (
    "id" SERIAL NOT NULL,
    "walletId" INTEGER NOT NULL,
    "entryId" BIGINT NOT NULL,
    "value" DECIMAL(18,2) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Coupon_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Company" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "Company_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Event" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "remaining" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "Event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Ticket" (
    "id" SERIAL NOT NULL,
    "eventId" INTEGER NOT NULL,
    "seat" INTEGER,
    "userId" INTEGER,
    "soldAt" TIMESTAMPTZ(3),

    CONSTRAINT "Ticket_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Order" (
    "id" TEXT NOT NULL,
    "userId" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "amount" DECIMAL(18,2) NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Order_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "IdempotencyRecord" (
    "operation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "inputHash" TEXT NOT NULL,
    "result" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "IdempotencyRecord_pkey" PRIMARY KEY ("operation","key")
);

-- CreateIndex
CREATE UNIQUE INDEX "SignIn_userId_day_key" ON "SignIn"("userId", "day");

-- CreateIndex
CREATE INDEX "ReadingQuotaChange_userId_idx" ON "ReadingQuotaChange"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Wallet_userId_key" ON "Wallet"("userId");

-- CreateIndex
CREATE INDEX "WalletEntry_walletId_idx" ON "WalletEntry"("walletId");

-- CreateIndex
CREATE UNIQUE INDEX "Coupon_entryId_key" ON "Coupon"("entryId");

-- CreateIndex
CREATE INDEX "Coupon_walletId_idx" ON "Coupon"("walletId");

-- CreateIndex
CREATE UNIQUE INDEX "Company_name_key" ON "Company"("name");

-- CreateIndex
CREATE INDEX "Ticket_userId_idx" ON "Ticket"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Ticket_eventId_seat_key" ON "Ticket"("eventId", "seat");

-- CreateIndex
CREATE UNIQUE INDEX "Order_userId_number_key" ON "Order"("userId", "number");

-- AddForeignKey
ALTER TABLE "SignIn" ADD CONSTRAINT "SignIn_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ReadingQuota" ADD CONSTRAINT "ReadingQuota_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ReadingQuotaChange" ADD CONSTRAINT "ReadingQuotaChange_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Wallet" ADD CONSTRAINT "Wallet_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WalletEntry" ADD CONSTRAINT "WalletEntry_walletId_fkey" FOREIGN KEY ("walletId") REFERENCES "Wallet"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Coupon" ADD CONSTRAINT "Coupon_walletId_fkey" FOREIGN KEY ("walletId") REFERENCES "Wallet"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Coupon" ADD CONSTRAINT "Coupon_entryId_fkey" FOREIGN KEY ("entryId") REFERENCES "WalletEntry"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Ticket" ADD CONSTRAINT "Ticket_eventId_fkey" FOREIGN KEY ("eventId") REFERENCES "Event"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Ticket" ADD CONSTRAINT "Ticket_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Order" ADD CONSTRAINT "Order_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- The last line of defence. A missing or wrong row lock lets two transactions decide from the same
-- old value; the second write then breaks one of these and fails, and the data stays right. Prisma's
-- schema language cannot state them, so this part is written by hand and Prisma leaves it alone.
-- AddCheck
ALTER TABLE "Wallet" ADD CONSTRAINT "wallet_balance_not_negative" CHECK ("balance" >= 0);

-- AddCheck: an entry is a change, its sign follows from its kind, and no change may overdraw.
ALTER TABLE "WalletEntry"
    ADD CONSTRAINT "wallet_entry_amount_not_zero" CHECK ("amount" <> 0),
    ADD CONSTRAINT "wallet_entry_sign_matches_kind" CHECK (("kind" = 'CREDIT') = ("amount" > 0)),
    ADD CONSTRAINT "wallet_entry_balance_not_negative" CHECK ("balance" >= 0);

-- AddCheck
ALTER TABLE "Coupon" ADD CONSTRAINT "coupon_value_positive" CHECK ("value" > 0);

-- AddCheck
ALTER TABLE "Company" ADD CONSTRAINT "company_count_not_negative" CHECK ("count" >= 0);

-- AddCheck
ALTER TABLE "ReadingQuota" ADD CONSTRAINT "reading_quota_remaining_not_negative" CHECK ("remaining" >= 0);

-- AddCheck
ALTER TABLE "ReadingQuotaChange" ADD CONSTRAINT "reading_quota_change_remaining_not_negative" CHECK ("remaining" >= 0);

-- AddCheck
ALTER TABLE "Event" ADD CONSTRAINT "event_remaining_not_negative" CHECK ("remaining" >= 0);

-- AddCheck: a ticket has a buyer exactly from the moment it is sold; one without a seat exists only
-- because it was sold.
ALTER TABLE "Ticket"
    ADD CONSTRAINT "ticket_sold_iff_owned" CHECK (("userId" IS NULL) = ("soldAt" IS NULL)),
    ADD CONSTRAINT "ticket_without_seat_is_sold" CHECK ("seat" IS NOT NULL OR "userId" IS NOT NULL);

-- AddCheck
ALTER TABLE "Order"
    ADD CONSTRAINT "order_number_positive" CHECK ("number" >= 1),
    ADD CONSTRAINT "order_amount_not_negative" CHECK ("amount" >= 0);
